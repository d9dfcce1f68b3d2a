"""The grid centre's judgements, the events it gathers calls into, and the supervisor's view."""

from typing import Final

from fastapi import APIRouter, Response

from services.desk.accounts import Visitor
from services.desk.remote import Json, Refused
from services.desk.visit import Centre, Overseer, Pages, Posted, page, said, see

router = APIRouter()

CHOICES: Final = 5
"""How many leaves have a key of their own."""


@router.get("/reviews")
def reviews(visitor: Centre, desk: Pages, cursor: str = "") -> Response:
    """The first classification that waits for a person, with a key for each likely leaf."""
    found = desk.services.get("classifier", "/reviews", visitor, cursor=cursor, limit=1)
    item = next(iter(found["items"]), None)
    choices = _choices(item) if item else []
    return page(desk, visitor, "reviews.html", item=item, choices=choices, following=found["next"])


def _choices(item: Json) -> list[tuple[str, float]]:
    said = item["guess"]
    likely = [(said["leaf"], said["probability"])]
    likely += [(one["leaf"], one["probability"]) for one in said["alternatives"]]
    return likely[:CHOICES]


@router.post("/reviews/{number}")
def judge(number: str, given: Posted, visitor: Centre, desk: Pages) -> Response:
    """What the message is about, as a person says."""
    body: Json = {"leaf": said(given, "leaf")}
    if priority := said(given, "priority"):
        body["priority"] = priority
    desk.services.post(
        "classifier", f"/reviews/{number}", visitor, body, key=said(given, "form_id") or None
    )
    return see(f"/reviews?done={number}")


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
def merge(number: str, given: Posted, visitor: Centre, desk: Pages) -> Response:
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
def dismiss(number: str, given: Posted, visitor: Centre, desk: Pages) -> Response:
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
    supervised = desk.services.get("router", "/cases", visitor, flag="supervised", limit=20)
    about_centre = desk.services.get(
        "router", "/cases", visitor, accused_unit="grid-centre", limit=20
    )
    by_unit: dict[str, list[Json]] = {}
    for item in late["items"]:
        by_unit.setdefault(item["lead_unit"] or "", []).append(item)
    ranked = sorted(by_unit.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return page(
        desk, visitor, "oversight.html", late=late, ranked=ranked, supervised=supervised,
        about_centre=about_centre, unit=unit,
    )  # fmt: skip
