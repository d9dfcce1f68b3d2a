"""What may happen to a ticket in intake: the rules, without HTTP or SQL.

A ticket lives through `received`, `triaged` and then the states of its case; intake only
decides what the caller does: add something, urge, answer the call-back.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from services.intake.ends import End, Ending, load_ends
from shared.discretion import NUMBERS
from shared.events import (
    CaseState,
    Heard,
    Payload,
    Satisfaction,
    SplitTicket,
    Ticket,
    TicketAmended,
    TicketCalledBack,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from shared.folding import fold
from shared.hearing import Said, listen

RECEIVED: Final = "received"
TRIAGED: Final = "triaged"
REOPENED: Final = "reopened"
ANSWERED: Final = (CaseState.REPLIED, CaseState.CALLBACK_PENDING, CaseState.CLOSED)
"""States in which a danger has been dealt with."""
STATUSES: Final = (RECEIVED, TRIAGED, REOPENED, *CaseState)
"""Where a ticket may stand; all but the first three are states of its case."""

UNTOUCHED: Final = (
    *(RECEIVED, TRIAGED, CaseState.MANUAL_DISPATCH, CaseState.AWAITING_INFO),
    *(CaseState.REDIRECTED_OUT, CaseState.DISPATCHED),
)
"""Statuses in which no unit has begun to work, so that an operator may still answer."""
TO_BE_CALLED: Final = (CaseState.CALLBACK_PENDING, CaseState.REDIRECTED_OUT)
"""States of a case that a call-back ends: it has been answered, or is not this district's."""

TO_BE_REACHED: Final = (*TO_BE_CALLED, CaseState.AWAITING_INFO, CaseState.MANUAL_DISPATCH)
"""States in which a caller is rung: also for what is missing, or because nothing was said."""

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
NUMBER: Final = r"^[A-Z]{1,8}[0-9]{8}-[0-9]{6,12}(-[1-9])?$"
"""What a ticket's number looks like, see `ticket_number`; a part of a split one has a suffix."""
SOLVED: Final = "solved"
MAX_TEXT: Final = 20_000
"""Characters of a ticket with all its amendments."""


class Refusal(StrEnum):
    """Why intake does not do what it is asked."""

    CLOSED = "ticket-closed"
    NOT_AWAITING_CALLBACK = "not-awaiting-callback"
    TOO_LONG = "ticket-too-long"
    SPLIT = "ticket-split"
    EMERGENCY = "emergency-open"
    AT_WORK = "unit-at-work"
    NO_NOTE = "missing-field"
    TOO_FEW_CALLS = "too-few-calls"


SENTENCES: Final = {
    Refusal.CLOSED: "工单已办结, 如有新情况请重新受理",
    Refusal.NOT_AWAITING_CALLBACK: "工单尚未到回访环节",
    Refusal.TOO_LONG: "补充内容过多, 请重新受理一件新工单",
    Refusal.SPLIT: "工单已拆单, 请在相应的子单上办理",
    Refusal.EMERGENCY: "险情工单不能直接办结, 须先由网格中心改判级别",
    Refusal.AT_WORK: "工单已由单位办理, 请由承办单位答复",
    Refusal.NO_NOTE: "请填写说明",
    Refusal.TOO_FEW_CALLS: "联系次数不足, 请继续联系诉求人",
}


class Refused(Exception):
    """The ticket's state does not allow it; nothing has changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(SENTENCES[refusal])
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules need to know of a stored ticket.

    `urges` counts the calls that asked again, `attempts` the calls since its status changed
    that reached nobody; `emergency` that its case is P0 or P1 and not answered yet.
    """

    ticket: Ticket
    status: str
    urges: int
    attempts: int = 0
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A changed ticket and the payloads that say so, in order."""

    standing: Standing
    payloads: tuple[Payload, ...]


def ticket_number(prefix: str, received_at: datetime, serial: int) -> str:
    """The number a citizen is told: prefix, day in Shanghai, serial of that day from 1."""
    return f"{prefix}{received_at.astimezone(SHANGHAI):%Y%m%d}-{serial:06d}"


def numbers_quoted(text: str) -> tuple[str, ...]:
    """The numbers of tickets that words quote, each once, in any case and width."""
    return tuple(dict.fromkeys(n.upper() for n in NUMBERS.findall(fold(text))))


def parent_of(number: str) -> str | None:
    """The number of the ticket that the one of this number was split off, if it was."""
    whole, _, part = number.rpartition("-")
    return whole if len(part) == 1 and re.fullmatch(NUMBER, number) else None


def amend(standing: Standing, text: str | None, address: str | None) -> Change:
    """Add words or a better address. Raises Refused on a closed, split or overlong ticket."""
    _open(standing)
    if standing.status == CaseState.SPLIT:
        raise Refused(Refusal.SPLIT)
    ticket = standing.ticket
    words = ticket.text if text is None else f"{ticket.text}\n补充：{text}"
    if len(words) > MAX_TEXT:
        raise Refused(Refusal.TOO_LONG)
    heard = with_heard(ticket, listen(text))
    amended = heard.model_copy(
        update={
            "version": ticket.version + 1,
            "text": words,
            "address": address or ticket.address,
        }
    )
    payload = TicketAmended(ticket=amended, added_text=text, added_address=address)
    return Change(replace(standing, ticket=amended), (payload,))


def urge(standing: Standing, note: str, now: datetime) -> Change:
    """催办. Raises Refused on a closed ticket.

    A wish for secrecy or an accusation in the note is the ticket's from now on.
    """
    _open(standing)
    ticket = _next_version(standing.ticket)
    heard = with_heard(ticket, listen(note))
    payload = TicketUrged(
        number=ticket.number,
        version=ticket.version,
        urges=standing.urges + 1,
        note=note,
        at=now,
    )
    again = () if heard is ticket else (TicketAmended(ticket=heard),)
    after = replace(standing, ticket=heard, urges=standing.urges + 1)
    return Change(after, (payload, *again))


def call_back(
    standing: Standing, solved: bool, satisfaction: Satisfaction, comment: str, now: datetime
) -> Change:
    """回访: the caller's word overrides the unit's (handbook section 2).

    Unreached is an attempt, after the last of which the ticket ends: also where the caller
    is called for what is missing. Unsolved asks for a second handling; how many of these
    there may be is the router's rule. Raises Refused unless the case waits for a call.
    """
    unreached = satisfaction is Satisfaction.UNREACHED
    if standing.status not in (TO_BE_REACHED if unreached else TO_BE_CALLED):
        closed = standing.status == CaseState.CLOSED
        raise Refused(Refusal.CLOSED if closed else Refusal.NOT_AWAITING_CALLBACK)
    ticket = _next_version(standing.ticket)
    number, version = ticket.number, ticket.version
    called = TicketCalledBack(
        number=number,
        version=version,
        round=ticket.round,
        solved=solved,
        satisfaction=satisfaction,
        comment=comment,
        at=now,
    )
    if unreached:
        tried = replace(standing, ticket=ticket, attempts=standing.attempts + 1)
        unreachable = load_ends()[Ending.UNREACHED]
        if tried.attempts < unreachable.attempts or standing.emergency:
            return Change(tried, (called,))
        ended, closing = _ended(tried, unreachable, "", now)
        return Change(ended, (called, closing))
    if solved:
        closing = TicketClosed(number=number, version=version, outcome=SOLVED, at=now)
        return Change(_now(standing, ticket, CaseState.CLOSED), (called, closing))
    ticket = ticket.model_copy(update={"round": ticket.round + 1})
    reopening = TicketReopened(
        number=number, version=version, round=ticket.round, reason=comment, at=now
    )
    return Change(_now(standing, ticket, REOPENED), (called, reopening))


def answer(standing: Standing, words: str, now: datetime) -> Change:
    """直接答复: the operator has answered; nobody has to work on it. Raises Refused."""
    if standing.status not in UNTOUCHED:
        _open(standing)
        raise Refused(Refusal.AT_WORK)
    return end(standing, Ending.ANSWERED, words, now)


def end(standing: Standing, reason: Ending, note: str, now: datetime) -> Change:
    """办结 without a call-back, for a reason of the table. Raises Refused.

    Danger is not ended by a word on the phone, and of a split ticket each part ends alone.
    """
    _open(standing)
    known = load_ends()[reason]
    if standing.status == CaseState.SPLIT:
        raise Refused(Refusal.SPLIT)
    if standing.emergency:
        raise Refused(Refusal.EMERGENCY)
    if known.needs_note and not note:
        raise Refused(Refusal.NO_NOTE)
    if standing.attempts < known.attempts:
        raise Refused(Refusal.TOO_FEW_CALLS)
    closed, closing = _ended(standing, known, note, now)
    return Change(closed, (closing,))


def with_heard(ticket: Ticket, said: Said) -> Ticket:
    """The ticket with what more was heard in words; the same object where nothing was."""
    heard = tuple(dict.fromkeys((*ticket.heard, *said.heard)))
    if heard == ticket.heard:
        return ticket
    return ticket.model_copy(
        update={
            "heard": heard,
            "confidential": ticket.confidential or Heard.SECRECY in heard,
            "accused_unit": ticket.accused_unit or said.accused,
        }
    )


def split_off(parent: Ticket, part: SplitTicket) -> Ticket:
    """拆单: the ticket of one demand; everything but its words is as the caller said it."""
    return parent.model_copy(
        update={
            "number": part.number,
            "version": 1,
            "title": None,
            "text": part.text,
            "round": 0,
            "parent": parent.number,
            "demand": part.leaf,
        }
    )


def close_with_parts(standing: Standing, outcomes: Collection[str], now: datetime) -> Change:
    """A split ticket ends with the last of its parts; solved only if all of them are."""
    ticket = _next_version(standing.ticket)
    outcome = min(set(outcomes) - {SOLVED}, default=SOLVED)
    closing = TicketClosed(number=ticket.number, version=ticket.version, outcome=outcome, at=now)
    return Change(_now(standing, ticket, CaseState.CLOSED), (closing,))


def told(payload: Payload) -> tuple[str, Mapping[str, str]]:
    """What the timeline says of a payload: a note and details."""
    match payload:
        case TicketAmended(added_text=words, added_address=address):
            return words or "", {"address": address} if address else {}
        case TicketUrged(note=note, urges=urges):
            return note, {"urges": str(urges)}
        case TicketCalledBack(comment=comment, solved=solved, satisfaction=satisfaction):
            return comment, {"solved": str(solved).lower(), "satisfaction": satisfaction.value}
        case TicketClosed(outcome=outcome, note=note):
            return note, {"outcome": outcome}
        case TicketReopened(round=number):
            return "", {"round": str(number)}
    return "", {}


def _open(standing: Standing) -> None:
    if standing.status == CaseState.CLOSED:
        raise Refused(Refusal.CLOSED)


def _ended(
    standing: Standing, known: End, note: str, now: datetime
) -> tuple[Standing, TicketClosed]:
    ticket = _next_version(standing.ticket)
    closing = TicketClosed(
        number=ticket.number,
        version=ticket.version,
        outcome=known.reason.value,
        note=note or known.name,
        at=now,
    )
    return _now(standing, ticket, CaseState.CLOSED), closing


def _now(standing: Standing, ticket: Ticket, status: str) -> Standing:
    """The ticket in another status, in which nobody has been called yet."""
    return replace(standing, ticket=ticket, status=status, attempts=0)


def _next_version(ticket: Ticket) -> Ticket:
    return ticket.model_copy(update={"version": ticket.version + 1})
