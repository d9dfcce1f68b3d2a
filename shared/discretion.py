"""Who may know of a complaint about an office: never the office itself, in no service.

A dispatcher is the grid centre (区网格化管理中心). What accuses it is for the supervisor (督查)
and looks to every dispatcher like what does not exist: no other ticket of the same caller, no
reason and no log names it or counts it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from shared.roles import Role

GRID_CENTRE: Final = "grid-centre"
"""The unit that a dispatcher is."""
NUMBERS: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{1,8}[0-9]{8}-[0-9]{6,12}(?:-[1-9])?(?![0-9])"
)
"""Tickets' numbers in words."""
KEPT: Final = frozenset({"number", "text", "title", "address"})
"""What a record is called, and what the caller said: it proves no other ticket."""
GONE: Final = object()
TICKET: Final = "【工单】"

Shown = TypeVar("Shown", bound=BaseModel)


def acts_for(role: Role, unit: str | None) -> str | None:
    """The unit that somebody acts for: their own, or for a dispatcher the grid centre."""
    return GRID_CENTRE if role is Role.DISPATCHER else unit


def may_know(role: Role, unit: str | None, accused_unit: str | None) -> bool:
    """Whether somebody is not of the unit that is complained about."""
    return accused_unit is None or acts_for(role, unit) != accused_unit


def tickets_named(view: BaseModel) -> frozenset[str]:
    """The numbers of all tickets that a view names."""
    return frozenset(NUMBERS.findall(view.model_dump_json()))


def discreet(view: Shown, role: Role, accusing: Callable[[str, Set[str]], Iterable[str]]) -> Shown:
    """The view as somebody of a role may read it, see `unnaming`.

    `accusing` gives those of some numbers that complain about an office.
    """
    office = acts_for(role, None)
    named = tickets_named(view) if office is not None else frozenset()
    return unnaming(view, frozenset(accusing(office, named))) if office and named else view


def unnaming(view: Shown, hidden: Set[str]) -> Shown:
    """The view without anything that names a hidden ticket; the same object where nothing does.

    A field that is its number is emptied; an entry of a list or a mapping that names it is left
    out, of other words the number. With a ticket of the caller's history goes where that
    history has them live.
    """
    fields = ((name, getattr(view, name)) for name in type(view).model_fields if name not in KEPT)
    kept = {name: (value, _without(value, hidden)) for name, value in fields}
    changes = {name: now for name, (was, now) in kept.items() if now is not was}
    if not changes:
        return view
    for name, now in changes.items():
        if now is GONE:
            was = kept[name][0]
            changes[name] = None if was in hidden else _masked(was, hidden)
    if "earlier" in changes:
        changes["usual_street"] = None
    return view.model_copy(update=changes)


def _masked(words: str, hidden: Set[str]) -> str:
    return NUMBERS.sub(lambda found: TICKET if found[0] in hidden else found[0], words)


def _without(value: Any, hidden: Set[str]) -> Any:
    """The same value where nothing in it names a hidden ticket, GONE where it is nothing else."""
    match value:
        case str():
            return GONE if not hidden.isdisjoint(NUMBERS.findall(value)) else value
        case BaseModel():
            return unnaming(value, hidden)
        case Mapping():
            kept = {name: _without(entry, hidden) for name, entry in value.items()}
            if all(kept[name] is entry for name, entry in value.items()):
                return value
            return {name: entry for name, entry in kept.items() if entry is not GONE}
        case tuple() | list():
            entries = [_without(entry, hidden) for entry in value]
            if all(now is was for now, was in zip(entries, value, strict=True)):
                return value
            return type(value)(entry for entry in entries if entry is not GONE)
    return value
