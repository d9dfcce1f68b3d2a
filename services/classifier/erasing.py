"""A person's words erased from what was said of a ticket; leaf, priority and who decided stay."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.classifier.tables import VerdictRow
from shared.database import Writer
from shared.envelope import Message
from shared.erasing import ERASE_LETTERS, KEEP_ERASURE, demands_without_words, without_words
from shared.events import TicketErased


def erase(writer: Writer, messages: Sequence[Message], now: datetime) -> None:
    """Erase what these messages name. Who trains the next model finds no words there any more."""
    versions = {m.key: m.payload.version for m in messages if isinstance(m.payload, TicketErased)}
    if not versions:
        return
    query = (
        select(VerdictRow)
        .where(col(VerdictRow.number).in_(versions))
        .order_by(col(VerdictRow.number))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in writer.execute(query).scalars():
        said = row.said()
        blank = said.model_copy(
            update={
                "ticket": without_words(said.ticket, versions[row.number]),
                "reasons": (),
                "demands": demands_without_words(said.demands),
                "danger": said.danger and said.danger.model_copy(update={"clause": ""}),
            }
        )
        row.classification = blank.model_dump(mode="json")
        row.ticket_version = versions[row.number]
    given = {"numbers": list(versions)}
    writer.execute(text(ERASE_LETTERS), given)
    writer.execute(text(KEEP_ERASURE), {**given, "at": now})
