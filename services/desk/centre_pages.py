"""The grid centre's judgements, the events it gathers calls into, and the supervisor's view."""

import time
from collections import Counter
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from services.desk.accounts import Visitor
from services.desk.remote import Json, Refused
from services.desk.visit import Centre, Desk, Overseer, Pages, Posted, page, said, see

router = APIRouter()

CHOICES: Final = 5
"""How many leaves have a key of their own."""
AWAITED: Final = 20
AWAIT_SECONDS: Final = 0.2
"""How often, and after what pauses, it is looked whether a judgement has come to its case."""


@router.get("/reviews")
def reviews(
    visitor: Centre,
    desk: Pages,
    cursor: str = "",
    done: str = "",
    was: str = "",
    judged: str = "",
) -> Response:
    """The first classification that waits for a person, with a key for each likely leaf.

    `done` has just been `judged`, `was` is what was guessed: it can be taken back.
    """
    return _review_page(desk, visitor, cursor=cursor, done=done, was=was, judged=judged)


def _review_page(
    desk: Pages, visitor: Visitor, status: int = 200, cursor: str = "", **shown: Any
) -> Response:
    found = desk.services.get("classifier", "/reviews", visitor, cursor=cursor, limit=1)
    item = next(iter(found["items"]), None)
    case = None
    if item is not None:
        try:
            case = desk.services.get("router", f"/cases/{item['number']}", visitor)["case"]
        except Refused as refused:
            if refused.status != 404:
                raise
    return page(
        desk, visitor, "reviews.html", status, item=item, case=case, following=found["next"],
        choices=_choices(item) if item else [], **{"done": "", "was": "", "judged": "", **shown},
    )  # fmt: skip


def _choices(item: Json) -> list[tuple[str, float]]:
    said = item["guess"]
    likely = [(said["leaf"], said["probability"])]
    likely += [(one["leaf"], one["probability"]) for one in said["alternatives"]]
    return likely[:CHOICES]


@router.post("/reviews/{number}")
def judge(number: str, visitor: Centre, given: Posted, desk: Pages) -> Response:
    """What the message is about, as a person says; the next one is shown."""
    body: Json = {"leaf": said(given, "leaf")}
    if priority := said(given, "priority"):
        body["priority"] = priority
    key = said(given, "form_id") or None
    try:
        desk.services.post("classifier", f"/reviews/{number}", visitor, body, key=key)
    except Refused as refused:
        return _review_page(desk, visitor, refused.status, error=refused.detail)
    was = f"{said(given, 'guessed')}@{said(given, 'guessed_priority')}"
    query = urlencode({"done": number, "was": was, "judged": body["leaf"]})
    return see(f"/reviews?{query}")


@router.post("/reviews/{number}/undo")
def undo(number: str, visitor: Centre, given: Posted, desk: Pages) -> Response:
    """改回: what a finger judged by mistake is what was guessed again, as a change of its own."""
    leaf, _, priority = said(given, "was").partition("@")
    body = {"leaf": leaf, "priority": priority, "reason": "误按，改回"}
    key = said(given, "form_id") or None
    try:
        _await_judgement(desk, visitor, number, said(given, "judged"))
        desk.services.post("router", f"/cases/{number}/reclassify", visitor, body, key=key)
    except Refused as refused:
        return _review_page(desk, visitor, refused.status, error=refused.detail)
    return see(f"/cases/{number}?moved=leaf")


def _await_judgement(desk: Desk, visitor: Visitor, number: str, leaf: str) -> None:
    """Until the judgement has come to the case: what takes it back must not overtake it."""
    for _ in range(AWAITED):
        if desk.services.get("router", f"/cases/{number}", visitor)["case"]["leaf"] == leaf:
            return
        time.sleep(AWAIT_SECONDS)


@router.get("/incidents")
def incidents(visitor: Centre, desk: Pages, cursor: str = "") -> Response:
    """Events that several calls may speak of."""
    found = desk.services.get("router", "/incidents", visitor, cursor=cursor, limit=20)
    return page(desk, visitor, "incidents.html", found=found)


@router.get("/incidents/{number}")
def incident(number: str, visitor: Centre, desk: Pages) -> Response:
    """The calls of an event on one timeline."""
    return _incident_page(desk, visitor, number)


def _incident_page(
    desk: Pages, visitor: Visitor, number: str, status: int = 200, error: str | None = None
) -> Response:
    found = desk.services.get("router", f"/incidents/{number}", visitor)
    return page(desk, visitor, "incident.html", status, incident=found, error=error)


@router.post("/incidents/{number}/merge")
def merge(number: str, visitor: Centre, given: Posted, desk: Pages) -> Response:
    """并入所选: one case is worked for all of them."""
    body: Json = {"members": given.get("members", []), "note": said(given, "note")}
    if lead := said(given, "lead"):
        body["lead"] = lead
    try:
        desk.services.post("router", f"/incidents/{number}/merge", visitor, body)
    except Refused as refused:
        return _incident_page(desk, visitor, number, refused.status, refused.detail)
    return see(f"/incidents/{number}")


@router.post("/incidents/{number}/dismiss")
def dismiss(number: str, visitor: Centre, given: Posted, desk: Pages) -> Response:
    """不是一件事: the calls go their own ways."""
    try:
        body = {"note": said(given, "note")}
        desk.services.post("router", f"/incidents/{number}/dismiss", visitor, body)
    except Refused as refused:
        return _incident_page(desk, visitor, number, refused.status, refused.detail)
    return see(f"/incidents/{number}")


@router.get("/oversight")
def oversight(visitor: Overseer, desk: Pages, unit: str = "") -> Response:
    """What is late and whose, what is supervised, and complaints about the grid centre."""
    late = desk.services.get(
        "router", "/cases", visitor, overdue="true", sort="deadline", unit=unit, limit=200
    )
    supervised = desk.services.get("router", "/cases", visitor, flag="supervised", limit=200)
    about_centre = desk.services.get(
        "router", "/cases", visitor, accused_unit="grid-centre", limit=20
    )
    by_unit: dict[str, list[Json]] = {}
    for item in late["items"]:
        by_unit.setdefault(item["lead_unit"] or "", []).append(item)
    ranked = sorted(by_unit.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    held = Counter(item["lead_unit"] for item in supervised["items"])
    return page(
        desk, visitor, "oversight.html", late=late, ranked=ranked, supervised=supervised,
        about_centre=about_centre, unit=unit, held=held,
    )  # fmt: skip
