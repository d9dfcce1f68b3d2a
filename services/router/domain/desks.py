"""The desks that the rules themselves name; every policy must have them among its units."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.discretion import GRID_CENTRE

HOTLINE_OFFICE: Final = "hotline-office"
"""区热线办: asks callers, and decides what the classifier is not sure of."""
CITY_HOTLINE: Final = "city-hotline"
"""市便民专线服务中心: takes what is not the district's."""
DISCIPLINE: Final = "discipline"
"""督查: takes complaints about units."""
DISTRICT_OFFICE: Final = "district-office"
"""区政府办公室: stands for the district's leaders, before whom a case is escalated."""
DUTY_ROOM: Final = "district-duty-room"
"""区总值班室: the same for danger, at any hour."""

DESKS: Final = (
    *(GRID_CENTRE, HOTLINE_OFFICE, CITY_HOTLINE, DISCIPLINE),
    *(DISTRICT_OFFICE, DUTY_ROOM),
)

_STANDS_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        GRID_CENTRE: DISCIPLINE,
        HOTLINE_OFFICE: GRID_CENTRE,
        CITY_HOTLINE: HOTLINE_OFFICE,
        DISTRICT_OFFICE: DISCIPLINE,
        DUTY_ROOM: DISTRICT_OFFICE,
    }
)


def not_accused(desk: str, accused: str | None) -> str:
    """The desk, or the one that stands in for it where it is itself the accused."""
    return _STANDS_IN.get(desk, desk) if desk == accused else desk
