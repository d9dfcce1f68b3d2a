"""The pages of a desk at work: its queue, a case, a whistle, and every command on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from services.desk.accounts import Visitor
from services.desk.conflicts import give
from services.desk.forms import BLOW, CASE_FORMS, WHISTLE_FORMS, Form, body_of
from services.desk.presence import opened
from services.desk.remote import Json, Refused
from services.desk.visit import Handler, Pages, Posted, Worker, page, said, see
from shared.roles import Role

VIEWS: Final = {
    "": ("待办", {"todo": "true", "sort": "work"}),
    "new": ("待签收", {"todo": "true", "sort": "work", "state": "dispatched"}),
    "working": ("办理中", {"todo": "true", "sort": "work", "state": "in_progress"}),
    "overdue": ("超时", {"todo": "true", "sort": "work", "overdue": "true"}),
    "returns": ("退单", {"state": "return_requested", "sort": "work"}),
    "extensions": ("延期", {"state": "extension_requested", "sort": "work"}),
    "manual": ("待派单", {"state": "manual_dispatch", "sort": "work"}),
    "asking": ("待补充", {"state": "awaiting_info", "sort": "work"}),
    "late": ("全区超期", {"overdue": "true", "sort": "deadline"}),
}
"""The lists of a desk: what they are called, and what is asked of the router."""
OF_A_UNIT: Final = ("", "new", "working", "overdue")
OF_THE_CENTRE: Final = ("", "manual", "asking", "returns", "extensions", "late")
OPEN_WHISTLES: Final = ("proposed", "signed", "rejected", "dispatched", "handled", "confirmed")
CASES = {form.command: form for form in CASE_FORMS}
WHISTLES = {form.command: form for form in WHISTLE_FORMS}

router = APIRouter()


@router.get("/queue")
def queue(
    visitor: Worker,
    desk: Pages,
    view: str = "",
    leaf: str = "",
    priority: str = "",
    cursor: str = "",
) -> Response:
    """What the desk has to do, danger first, then what is due next."""
    return _queue_page(desk, visitor, Chosen(view, leaf, priority, cursor))


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a list is narrowed to."""

    view: str = ""
    leaf: str = ""
    priority: str = ""
    cursor: str = ""

    def path(self, **other: str) -> str:
        """The address of such a list, the filters kept."""
        asked = {"view": self.view, "leaf": self.leaf, "priority": self.priority, **other}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/queue?{query}" if query else "/queue"


def _queue_page(
    desk: Pages, visitor: Visitor, chosen: Chosen, status: int = 200, error: str | None = None
) -> Response:
    views = OF_A_UNIT if visitor.role is Role.UNIT else OF_THE_CENTRE
    if chosen.view not in views:
        chosen = replace(chosen, view="")
    asked = VIEWS[chosen.view][1] | {"leaf": chosen.leaf, "priority": chosen.priority}
    found = desk.services.get("router", "/cases", visitor, **asked, cursor=chosen.cursor, limit=20)
    whistles = [] if chosen.view or chosen.cursor else _whistles(desk, visitor)
    return page(
        desk, visitor, "queue.html", status, found=found, chosen=chosen, whistles=whistles,
        views=[(name, VIEWS[name][0]) for name in views], error=error,
    )  # fmt: skip


def _whistles(desk: Pages, visitor: Visitor) -> Sequence[Json]:
    """The whistles that wait for this desk: those it blew or is called by, or must check."""
    found = desk.services.get("router", "/whistles", visitor, limit=100)["items"]
    return [one for one in found if one["state"] in OPEN_WHISTLES and _waits_for(one, visitor)]


def _waits_for(whistle: Json, visitor: Visitor) -> bool:
    if visitor.role is Role.DISPATCHER:
        return whistle["state"] in ("proposed", "signed")
    called = [one for one in whistle["units"] if one["unit"] == visitor.unit]
    answering = whistle["state"] == "dispatched" and any(not one["handled_at"] for one in called)
    return answering or whistle["street"] == visitor.unit


@router.post("/queue/accept")
def accept_many(visitor: Worker, given: Posted, desk: Pages) -> Response:
    """签收, one by its own button or all that are chosen; the list stays as it was narrowed."""
    refused: list[str] = []
    one = said(given, "one")
    for wanted in [one] if one else given.get("chosen", [])[:50]:
        number, _, version = wanted.partition("@")
        body = {"version": int(version)} if version.isdigit() else {}
        try:
            give(desk.services, visitor, f"/cases/{number}", f"/cases/{number}/accept", body, None)
        except Refused as error:
            refused.append(f"{number}：{error.detail}")
    chosen = Chosen(said(given, "view"), said(given, "leaf"), said(given, "priority"))
    if refused:
        return _queue_page(desk, visitor, chosen, 409, "；".join(refused))
    return see(chosen.path())


@router.get("/cases/{number}")
def case(number: str, visitor: Handler, desk: Pages, do: str = "", moved: str = "") -> Response:
    """A case, with what this reader may do; `do` is the command whose form stands open.

    `moved` is what of it the last command has changed.
    """
    return _case_page(desk, visitor, number, do=do, moved=moved)


def _case_page(
    desk: Pages, visitor: Visitor, number: str, status: int = 200, **shown: Any
) -> Response:
    found = desk.services.get("router", f"/cases/{number}", visitor)
    forms = [form for form in CASE_FORMS if form.command in found["commands"]]
    if _may_blow(desk, visitor, found["case"]):
        forms.append(BLOW)
    here = opened(desk.database, desk.services, visitor, found["case"]["number"])
    return page(
        desk, visitor, "case.html", status, found=found, case=found["case"], forms=forms, here=here,
        **{"do": "", "moved": "", "contact": None, **shown},
    )  # fmt: skip


def _may_blow(desk: Pages, visitor: Visitor, case: Json) -> bool:
    if case["state"] in ("closed", "split", "merged", "redirected_out"):
        return False
    units = desk.services.names(visitor).units
    street = units.get(visitor.unit or "", {}).get("kind") == "street"
    here = visitor.unit in (case["place"]["street"], case["lead_unit"])
    return visitor.role is Role.DISPATCHER or (street and here)


@router.post("/cases/{number}/caller")
def contact(number: str, visitor: Handler, given: Posted, desk: Pages) -> Response:
    """The caller's contact, which intake gives to those who may have it, and records."""
    try:
        shown = desk.services.get("intake", f"/tickets/{number}/caller", visitor)
    except Refused as refused:
        return _case_page(desk, visitor, number, refused.status, error=refused.detail)
    return _case_page(desk, visitor, number, contact=shown)


@router.post("/cases/{number}/{command}")
def command(number: str, command: str, visitor: Handler, given: Posted, desk: Pages) -> Response:
    """Carry a command out; what was refused stands on the page with what was written."""
    form = BLOW if command == BLOW.command else CASES.get(command)
    if form is None:
        raise Refused(404, "没有这样的操作。")
    path = f"/cases/{number}/{'whistles' if form is BLOW else command}"
    try:
        key = said(given, "form_id") or None
        record = f"/cases/{number}"
        after = give(desk.services, visitor, record, path, body_of(form, given), key)
    except Refused as refused:
        return _case_page(
            desk, visitor, number, refused.status, do=command, error=refused.detail, given=given
        )
    if after is None:
        return see(record)
    if form is BLOW:
        return see(f"/whistles/{after['whistle']['number']}")
    moved = after.get("moved") or {}
    told = ",".join(name for name, changed in moved.items() if changed)
    gone = visitor.role is Role.UNIT and after["case"]["lead_unit"] != visitor.unit
    return see("/queue" if gone else f"/cases/{number}?moved={told}")


@router.get("/whistles")
def whistles(visitor: Handler, desk: Pages, state: str = "", cursor: str = "") -> Response:
    """Whistles, the newest first."""
    found = desk.services.get("router", "/whistles", visitor, state=state, cursor=cursor, limit=20)
    return page(desk, visitor, "whistles.html", found=found, state=state)


@router.get("/whistles/{number}")
def whistle(number: str, visitor: Handler, desk: Pages, do: str = "") -> Response:
    """A whistle, with what this reader may do."""
    return _whistle_page(desk, visitor, number, do=do)


def _whistle_page(
    desk: Pages, visitor: Visitor, number: str, status: int = 200, **shown: Any
) -> Response:
    found = desk.services.get("router", f"/whistles/{number}", visitor)
    forms = [form for form in WHISTLE_FORMS if form.command in found["commands"]]
    return page(
        desk, visitor, "whistle.html", status, found=found, whistle=found["whistle"],
        forms=_unanswered(forms, found["whistle"], visitor), **{"do": "", **shown},
    )  # fmt: skip


def _unanswered(forms: Sequence[Form], whistle: Json, visitor: Visitor) -> Sequence[Form]:
    """Without what this unit has answered already."""
    mine: Json = next((one for one in whistle["units"] if one["unit"] == visitor.unit), {})
    done = {"acknowledge": "acknowledged_at", "arrive": "arrived_at", "handle": "handled_at"}
    return [form for form in forms if not mine.get(done.get(form.command, ""))]


@router.post("/whistles/{number}/{command}")
def order(number: str, command: str, visitor: Handler, given: Posted, desk: Pages) -> Response:
    """A command on a whistle."""
    form = WHISTLES.get(command)
    if form is None:
        raise Refused(404, "没有这样的操作。")
    key = said(given, "form_id") or None
    try:
        record = f"/whistles/{number}"
        give(desk.services, visitor, record, f"{record}/{command}", body_of(form, given), key)
    except Refused as refused:
        return _whistle_page(
            desk, visitor, number, refused.status, do=command, error=refused.detail, given=given
        )
    return see(f"/whistles/{number}")
