"""Where every accepted ticket is: in exactly one place, or it is missed.

Intake accepts tickets, the router works their cases. What each says of a ticket must agree once
what they tell each other has arrived; what does not agree after that has been lost on the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.events import CaseState

_S = CaseState
REOPENED: Final = "reopened"
"""The status of a ticket whose caller is not content and whose case has not heard it yet."""


class Whereabouts(StrEnum):
    """The places a ticket may be in; it is in one of them."""

    MANUAL = "manual_work"
    CALLER = "awaiting_caller"
    QUEUE = "unit_queue"
    SUSPENDED = "suspended"
    ANSWERED = "answered"
    CLOSED = "closed"
    REDIRECTED = "redirected"
    MERGED = "merged"
    SPLIT = "split"


class Gap(StrEnum):
    """What is wrong with a ticket that is in no place, or in two.

    It has no case; its case has no ticket; intake has not been told what happened to the case;
    the case has not heard that the ticket was ended or reopened; intake knows more than the
    router, which has lost something; it stands in no queue; what it became is not there.
    """

    NO_CASE = "no_case"
    NO_TICKET = "no_ticket"
    NOT_TOLD = "not_told"
    NOT_HEARD = "not_heard"
    AHEAD = "ahead"
    IN_NO_QUEUE = "in_no_queue"
    NO_SUCCESSOR = "no_successor"


PLACES: Final[Mapping[CaseState, Whereabouts]] = MappingProxyType(
    {
        _S.MANUAL_DISPATCH: Whereabouts.MANUAL,
        _S.AWAITING_INFO: Whereabouts.CALLER,
        _S.REDIRECTED_OUT: Whereabouts.REDIRECTED,
        _S.DISPATCHED: Whereabouts.QUEUE,
        _S.RETURN_REQUESTED: Whereabouts.QUEUE,
        _S.ACCEPTED: Whereabouts.QUEUE,
        _S.IN_PROGRESS: Whereabouts.QUEUE,
        _S.EXTENSION_REQUESTED: Whereabouts.QUEUE,
        _S.SUSPENDED: Whereabouts.SUSPENDED,
        _S.REPLIED: Whereabouts.ANSWERED,
        _S.CALLBACK_PENDING: Whereabouts.ANSWERED,
        _S.SPLIT: Whereabouts.SPLIT,
        _S.MERGED: Whereabouts.MERGED,
        _S.CLOSED: Whereabouts.CLOSED,
    }
)
IN_A_QUEUE: Final = frozenset(PLACES) - {_S.CALLBACK_PENDING, _S.SPLIT, _S.MERGED, _S.CLOSED}
"""States in which somebody's queue holds the case."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A ticket as intake knows it: where it stands, and the version of its case it was told."""

    number: str
    status: str
    case_version: int


@dataclass(frozen=True, slots=True)
class Known:
    """A case as the router knows it: whether a queue holds it, and whether what it was merged
    into or split into is there."""

    number: str
    state: CaseState
    version: int
    queued: bool
    succeeded: bool


def account(ticket: Accepted | None, case: Known | None) -> Whereabouts | Gap:
    """The one place a ticket is in, or what is wrong with it."""
    if ticket is None:
        return Gap.NO_TICKET
    if case is None:
        return Whereabouts.CLOSED if ticket.status == _S.CLOSED else Gap.NO_CASE
    if ticket.case_version != case.version:
        return Gap.NOT_TOLD if ticket.case_version < case.version else Gap.AHEAD
    if ticket.status != case.state:
        heard = ticket.status not in (_S.CLOSED, REOPENED)
        return Gap.NOT_TOLD if heard else Gap.NOT_HEARD
    if case.state in IN_A_QUEUE and not case.queued:
        return Gap.IN_NO_QUEUE
    return PLACES[case.state] if case.succeeded else Gap.NO_SUCCESSOR
