"""The operator's pages: a call is taken, looked up, followed, answered and called back."""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from services.desk.accounts import Visitor
from services.desk.preview import look
from services.desk.remote import Json, Refused
from services.desk.visit import Given, Operator, Pages, Posted, form_id_of, page, said, see
from shared.events import Kind

KINDS: Final = {
    Kind.HELP: "求助",
    Kind.CONSULT: "咨询",
    Kind.COMPLAINT: "投诉",
    Kind.REPORT: "举报",
    Kind.SUGGESTION: "建议",
    Kind.PRAISE: "表扬",
}
ENDINGS: Final = {
    "withdrawn": "来电人撤回",
    "solved": "已经解决",
    "duplicate": "重复（写明原工单）",
    "invalid": "无效（写明理由）",
    "unreached": "多次联系不上",
}
SATISFACTION: Final = {
    "satisfied": "满意",
    "basically": "基本满意",
    "dissatisfied": "不满意",
    "unreached": "未接通",
}
FORM_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,40}")
PHONE_SAID: Final = re.compile(r"[+(]?\d[\d ()-]{6,18}")
NOT_DIGITS: Final = re.compile(r"[^+\d]")
LONGEST: Final = 4000
"""So many characters a ticket's words may have; intake says so."""
REUSED: Final = "idempotency-key-reused"

router = APIRouter()


@router.get("/register")
def fresh(visitor: Operator) -> Response:
    """A new form, with an id in its address: what is typed there survives a reload."""
    return see(f"/register/{secrets.token_urlsafe(16)}")


@router.get("/register/{form_id}")
def form(form_id: str, visitor: Operator, desk: Pages) -> Response:
    """The form for a call."""
    if not FORM_ID.fullmatch(form_id):
        return see("/register")
    return page(desk, visitor, "register.html", form_id=form_id, kinds=KINDS, over=0, number="")


@router.post("/register/{form_id}")
def take(form_id: str, visitor: Operator, given: Posted, desk: Pages) -> Response:
    """Take the ticket: the form's id makes sure that it is taken once.

    With `answer` it is a consult that the operator has answered, and it ends with that. What is
    longer than a ticket may be goes in as a supplement, once the operator has said so (`rest`).
    """
    ticket = _ticket(given)
    words: str = ticket["text"]
    over = len(words) - LONGEST

    def again(status: int, sentence: str, number: str = "") -> Response:
        shown = {"error": sentence, "given": given, "over": over, "number": number}
        return page(
            desk, visitor, "register.html", status, form_id=form_id, kinds=KINDS, **shown
        )  # fmt: skip

    if not words:
        return again(422, "请先写诉求内容，一句话也可以。")
    if over > 0 and not said(given, "rest"):
        return again(422, f"已写 {len(words):,} 字，超出 {over:,} 字。")
    try:
        first = ticket | {"text": words[:LONGEST]}
        taken = desk.services.post("intake", "/tickets", visitor, first, key=form_id)
        number = taken["number"]
        for at in range(LONGEST, len(words), LONGEST):
            more = {"text": words[at : at + LONGEST]}
            path, key = f"/tickets/{number}/amendments", f"{form_id}-{at}"
            desk.services.post("intake", path, visitor, more, key=key)
        if answer := said(given, "answer"):
            body = {"answer": answer}
            key = f"{form_id}-answer"
            desk.services.post("intake", f"/tickets/{number}/answer", visitor, body, key=key)
    except Refused as refused:
        if refused.slug == REUSED:
            number = refused.problem["number"]
            return again(422, f"这张工单已收下：{number}。刚才的改动没有收进去。", number)
        return again(refused.status, refused.detail)
    return see(f"/tickets/{number}?taken=1")


def _ticket(given: Given) -> Json:
    caller = {
        "name": said(given, "name") or None,
        "phone": said(given, "phone") or None,
        "confidential": bool(said(given, "confidential")),
    }
    words = [said(given, "text"), said(given, "heard"), said(given, "transferred")]
    text = "\n".join(word for word in words if word)
    ticket: Json = {"text": text, "kind": said(given, "kind") or "help"}
    ticket |= {"address": said(given, "address") or None, "caller": caller}
    if accused := said(given, "accused_unit"):
        ticket["accused_unit"] = accused
    if moment := said(given, "occurred_at"):
        ticket["occurred_at"] = f"{moment}:00+08:00" if len(moment) == 16 else moment
    return ticket


@router.post("/preview")
def preview(visitor: Operator, given: Posted, desk: Pages) -> Response:
    """What the system would do with what has been typed so far: a part of the page."""
    text = said(given, "text")[:LONGEST]
    seen = look(desk.services, visitor, _ticket(given) | {"text": text}) if text else None
    return page(desk, visitor, "_preview.html", seen=seen)


@router.get("/tickets")
def search(
    visitor: Operator, desk: Pages, q: str = "", status: str = "", cursor: str = ""
) -> Response:
    """Find a ticket by its number, words, or its caller's phone, the newest first."""
    digits = NOT_DIGITS.sub("", q)
    asked = {"phone": digits} if PHONE_SAID.fullmatch(q.strip()) else {"q": q[:100]}
    try:
        found = desk.services.get(
            "intake", "/tickets", visitor, **asked, status=status, cursor=cursor, limit=20
        )
    except Refused as refused:
        found = {"items": [], "next": None}
        return page(
            desk, visitor, "tickets.html", refused.status, found=found, q=q, wanted=status,
            error=refused.detail,
        )  # fmt: skip
    return page(desk, visitor, "tickets.html", found=found, q=q, wanted=status)


@router.get("/tickets/{number}")
def ticket(number: str, visitor: Operator, desk: Pages, taken: str = "", do: str = "") -> Response:
    """A ticket with its way so far; `taken` says that it has just come in, `do` opens a form."""
    return _ticket_page(desk, visitor, number, taken=taken, do=do)


def _ticket_page(
    desk: Pages, visitor: Visitor, number: str, status: int = 200, **shown: Any
) -> Response:
    found = desk.services.get("intake", f"/tickets/{number}", visitor)
    shown = {"taken": "", "caller": None, "do": "", **shown}
    return page(
        desk, visitor, "ticket.html", status, ticket=found, endings=ENDINGS,
        satisfaction=SATISFACTION, **shown,
    )  # fmt: skip


@router.post("/tickets/{number}/caller")
def caller(number: str, visitor: Operator, given: Posted, desk: Pages) -> Response:
    """The caller's contact; reading it is recorded by intake."""
    try:
        shown = desk.services.get("intake", f"/tickets/{number}/caller", visitor)
    except Refused as refused:
        return _ticket_page(desk, visitor, number, refused.status, error=refused.detail)
    return _ticket_page(desk, visitor, number, caller=shown)


BODIES: Final[Mapping[str, Callable[[Given], Json]]] = {
    "amendments": lambda given: {
        name: said(given, name) for name in ("text", "address") if said(given, name)
    },
    "urges": lambda given: {"note": said(given, "note")},
    "answer": lambda given: {"answer": said(given, "answer")},
    "close": lambda given: {"reason": said(given, "reason"), "note": said(given, "note")},
    "callbacks": lambda given: {
        "solved": said(given, "solved") == "yes",
        "satisfaction": said(given, "satisfaction"),
        "comment": said(given, "comment"),
    },
}
"""What each form on a ticket says to intake."""


@router.post("/tickets/{number}/{act}")
def follow(number: str, act: str, visitor: Operator, given: Posted, desk: Pages) -> Response:
    """A word of the caller, or what the operator tells them."""
    if act not in BODIES:
        raise Refused(404, "没有这样的操作。")
    body = BODIES[act](given)
    key = form_id_of(given)
    try:
        desk.services.post("intake", f"/tickets/{number}/{act}", visitor, body, key=key)
    except Refused as refused:
        return _ticket_page(
            desk, visitor, number, refused.status, error=refused.detail, given=given, do=act
        )
    return see(f"/tickets/{number}")
