"""A person's words erased from a case, its whistles, their logs, and the queues of units.

Units hear of it on their topics like of any change, so that copies kept elsewhere can follow.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from services.router.domain.erasing import erased, erased_whistle
from services.router.storage.cases import HeldCase
from services.router.storage.feeds import QueueChange, standing_roles
from services.router.storage.ledger import occasion_of
from services.router.work import SYSTEM, Work
from shared.envelope import Message
from shared.erasing import ERASE_LETTERS, KEEP_ERASURE, WORDLESS, without_words
from shared.events import CaseFact, TicketErased

REASON: Final = CaseFact.ERASED.value
ERASE: Final = (
    f"UPDATE case_log {WORDLESS} WHERE number = ANY(:numbers)",
    f"UPDATE whistle_log {WORDLESS} WHERE whistle IN"  # noqa: S608 constants of our own
    " (SELECT number FROM whistle WHERE ticket_number = ANY(:numbers))",
    "DELETE FROM early_urge WHERE number = ANY(:numbers)",
    "UPDATE place_proposal SET ticket = NULL WHERE ticket = ANY(:numbers)",
    ERASE_LETTERS,
)


def erase(work: Work, messages: Sequence[Message]) -> None:
    """Erase what these messages name, of cases in hand; a ticket without a case has no words."""
    said = [m.payload for m in messages if isinstance(m.payload, TicketErased)]
    if not said:
        return
    numbers = [payload.number for payload in said]
    entries = standing_roles(work.writer, numbers)
    for payload in said:
        held = work.case(payload.number)
        if held is not None:
            ticket = without_words(held.ticket, payload.version)
            work.tell(ticket, erased(held.record), work.by(SYSTEM))
            for whistle in held.whistles.values():
                whistle.record = erased_whistle(whistle.record)
            work.ledger.show(
                _entry(work, held, unit, role, name, is_open=is_open)
                for unit, name, role, is_open in entries.get(payload.number, ())
            )
    for statement in ERASE:
        work.writer.execute(text(statement), {"numbers": numbers})
    work.writer.execute(text(KEEP_ERASURE), {"numbers": numbers, "at": work.now})


def _entry(
    work: Work, held: HeldCase, unit: str, role: str, name: str, *, is_open: bool
) -> QueueChange:
    whistle = held.whistles[name].record if name else None
    occasion = occasion_of(held, REASON, work.by(SYSTEM), whistle)
    return QueueChange(unit, role, is_open, occasion)
