"""The roles of a token: what somebody is to the hotline, not who they are."""

from enum import StrEnum


class Role(StrEnum):
    """An operator takes calls, a unit works its queue, a supervisor (督查) watches.

    A dispatcher is the grid centre (区网格化管理中心). A system is a program; inside the
    router it is the router itself, acting on what callers say and on what follows from it.
    """

    OPERATOR = "operator"
    UNIT = "unit"
    DISPATCHER = "dispatcher"
    SUPERVISOR = "supervisor"
    SYSTEM = "system"
