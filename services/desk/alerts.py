"""What rings at a desk: danger that nobody has taken yet, and calls that it has not answered.

It is read from the lists as they stand, not gathered from news: a page that was closed, moved
or cut off shows the same as one that has listened all the while.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.desk.accounts import Visitor
from services.desk.remote import Json, Refused, Services
from services.desk.words import WHISTLE_KINDS, WHISTLE_STATES, spot
from shared.discretion import acts_for
from shared.events import Priority
from shared.roles import Role

DANGER: Final = (Priority.P0, Priority.P1)
UNTAKEN: Final = (("lead", "dispatched"), ("desk", "manual_dispatch"))
"""What is to be done with a case, and its state, while nobody has taken it."""
MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Alert:
    """A line of the strip: what it is, where, and the clock that runs."""

    priority: str
    what: str
    where: str
    path: str
    due: Json | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """What rings, the most pressing first, and where in the queue news begins.

    `known` is false where the router does not answer: then nothing is known to be quiet.
    """

    items: Sequence[Alert] = ()
    cursor: str = ""
    known: bool = True


def alerts_for(services: Services, visitor: Visitor) -> Alerts:
    """What rings at the visitor's desk. The cursor is read first, so that no news falls between."""
    try:
        unit = acts_for(visitor.role, visitor.unit)
        cursor = services.get("router", f"/units/{unit}/queue/cursor", visitor)["cursor"]
        items = [*_whistles(services, visitor), *_cases(services, visitor)]
    except Refused:
        return Alerts(known=False)
    return Alerts(items, cursor)


def _cases(services: Services, visitor: Visitor) -> Iterator[Alert]:
    asked = {"todo": "true", "sort": "work", "limit": MOST}
    for case in services.get("router", "/cases", visitor, **asked)["items"]:
        if case["priority"] not in DANGER:
            return
        if (case["duty"], case["state"]) in UNTAKEN:
            what = "、".join(case["alarms"]) or case["leaf_name"]
            where = case["place"] or case["street_name"] or "地点不明"
            path = f"/cases/{case['number']}"
            yield Alert(case["priority"], what, where, path, case["due"])


def _whistles(services: Services, visitor: Visitor) -> Iterator[Alert]:
    """Calls that the unit has not answered, or for the centre emergencies to be checked."""
    centre = visitor.role is Role.DISPATCHER
    for state in ("proposed", "signed") if centre else ("dispatched",):
        asked = {"state": state, "limit": MOST}
        for whistle in services.get("router", "/whistles", visitor, **asked)["items"]:
            kind = WHISTLE_KINDS[whistle["kind"]]
            path = f"/whistles/{whistle['number']}"
            if centre:
                if whistle["kind"] == "emergency":
                    said = f"{kind} {WHISTLE_STATES[state]}"
                    yield Alert("P0", said, spot(whistle), path, _running(whistle, "check"))
            elif (mine := _called(whistle, visitor.unit)) is not None:
                yield Alert(
                    "P0", f"{kind} 待应哨", spot(whistle), path, _running(mine, "acknowledge")
                )


def _called(whistle: Json, unit: str | None) -> Json | None:
    """The part of a unit that is called and has neither answered nor refused nor been let go."""
    answers = ("acknowledged_at", "refused_at", "released_at", "handled_at")
    for one in whistle["units"]:
        if one["unit"] == unit and not any(one.get(answer) for answer in answers):
            found: Json = one
            return found
    return None


def _running(holder: Json, kind: str) -> Json | None:
    """The clock of a kind that still runs."""
    for clock in holder["clocks"]:
        if clock["kind"] == kind and not clock["stopped_at"] and not clock["cancelled"]:
            found: Json = clock
            return found
    return None
