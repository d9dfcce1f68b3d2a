"""Who may know of a complaint about an office: never the office itself, in no service.

A dispatcher is the grid centre (区网格化管理中心). What accuses it is for the supervisor (督查)
and looks to every dispatcher like what does not exist.
"""

from typing import Final

from shared.roles import Role

GRID_CENTRE: Final = "grid-centre"
"""The unit that a dispatcher is."""


def acts_for(role: Role, unit: str | None) -> str | None:
    """The unit that somebody acts for: their own, or for a dispatcher the grid centre."""
    return GRID_CENTRE if role is Role.DISPATCHER else unit


def may_know(role: Role, unit: str | None, accused_unit: str | None) -> bool:
    """Whether somebody is not of the unit that is complained about."""
    return accused_unit is None or acts_for(role, unit) != accused_unit
