"""The desks that the rules themselves name; every policy must have them among its units."""

from typing import Final

GRID_CENTRE: Final = "grid-centre"
"""区网格化管理中心: checks, dispatches and rules."""
HOTLINE_OFFICE: Final = "hotline-office"
"""区热线办: asks callers, and decides what the classifier is not sure of."""
CITY_HOTLINE: Final = "city-hotline"
"""市便民专线服务中心: takes what is not the district's."""
DISCIPLINE: Final = "discipline"
"""督查: takes complaints about units."""

DESKS: Final = (GRID_CENTRE, HOTLINE_OFFICE, CITY_HOTLINE, DISCIPLINE)
