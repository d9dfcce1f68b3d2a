"""What may happen to a ticket in intake: the rules, without HTTP or SQL.

A ticket lives through `received`, `triaged` and then the states of its case; intake only
decides what the caller does: add something, urge, answer the call-back.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from shared.events import (
    CaseState,
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

RECEIVED: Final = "received"
TRIAGED: Final = "triaged"
REOPENED: Final = "reopened"
STATUSES: Final = (RECEIVED, TRIAGED, REOPENED, *CaseState)
"""Where a ticket may stand; all but the first three are states of its case."""

TO_BE_CALLED: Final = (CaseState.CALLBACK_PENDING, CaseState.REDIRECTED_OUT)
"""States of a case that a call-back ends: it has been answered, or is not this district's."""

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


SENTENCES: Final = {
    Refusal.CLOSED: "工单已办结, 如有新情况请重新受理",
    Refusal.NOT_AWAITING_CALLBACK: "工单尚未到回访环节",
    Refusal.TOO_LONG: "补充内容过多, 请重新受理一件新工单",
    Refusal.SPLIT: "工单已拆单, 请在相应的子单上补充",
}


class Refused(Exception):
    """The ticket's state does not allow it; nothing has changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(SENTENCES[refusal])
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules need to know of a stored ticket; `urges` counts the calls that asked again."""

    ticket: Ticket
    status: str
    urges: int


@dataclass(frozen=True, slots=True)
class Change:
    """A changed ticket and the payloads that say so, in order."""

    standing: Standing
    payloads: tuple[Payload, ...]


def ticket_number(prefix: str, received_at: datetime, serial: int) -> str:
    """The number a citizen is told: prefix, day in Shanghai, serial of that day from 1."""
    return f"{prefix}{received_at.astimezone(SHANGHAI):%Y%m%d}-{serial:06d}"


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
    amended = ticket.model_copy(
        update={
            "version": ticket.version + 1,
            "text": words,
            "address": address or ticket.address,
        }
    )
    payload = TicketAmended(ticket=amended, added_text=text, added_address=address)
    return Change(Standing(amended, standing.status, standing.urges), (payload,))


def urge(standing: Standing, note: str, now: datetime) -> Change:
    """催办. Raises Refused on a closed ticket."""
    _open(standing)
    ticket = _next_version(standing.ticket)
    payload = TicketUrged(
        number=ticket.number,
        version=ticket.version,
        urges=standing.urges + 1,
        note=note,
        at=now,
    )
    return Change(Standing(ticket, standing.status, standing.urges + 1), (payload,))


def call_back(
    standing: Standing, solved: bool, satisfaction: Satisfaction, comment: str, now: datetime
) -> Change:
    """回访: the caller's word overrides the unit's (handbook section 2).

    Unreached changes nothing but the record. Unsolved asks for a second handling; how
    many of these there may be is the router's rule. Raises Refused unless the case has
    been verified and waits for the call-back, or was redirected out.
    """
    if standing.status not in TO_BE_CALLED:
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
    if satisfaction is Satisfaction.UNREACHED:
        return Change(Standing(ticket, standing.status, standing.urges), (called,))
    if solved:
        closing = TicketClosed(number=number, version=version, outcome=SOLVED, at=now)
        return Change(Standing(ticket, CaseState.CLOSED, standing.urges), (called, closing))
    ticket = ticket.model_copy(update={"round": ticket.round + 1})
    reopening = TicketReopened(
        number=number, version=version, round=ticket.round, reason=comment, at=now
    )
    return Change(Standing(ticket, REOPENED, standing.urges), (called, reopening))


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
    return Change(Standing(ticket, CaseState.CLOSED, standing.urges), (closing,))


def told(payload: Payload) -> tuple[str, Mapping[str, str]]:
    """What the timeline says of a payload: a note and details."""
    match payload:
        case TicketAmended(added_text=words, added_address=address):
            return words or "", {"address": address} if address else {}
        case TicketUrged(note=note, urges=urges):
            return note, {"urges": str(urges)}
        case TicketCalledBack(comment=comment, solved=solved, satisfaction=satisfaction):
            return comment, {"solved": str(solved).lower(), "satisfaction": satisfaction.value}
        case TicketClosed(outcome=outcome):
            return "", {"outcome": outcome}
        case TicketReopened(round=number):
            return "", {"round": str(number)}
    return "", {}


def _open(standing: Standing) -> None:
    if standing.status == CaseState.CLOSED:
        raise Refused(Refusal.CLOSED)


def _next_version(ticket: Ticket) -> Ticket:
    return ticket.model_copy(update={"version": ticket.version + 1})
