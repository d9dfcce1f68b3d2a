"""What the classifier forgets: a shadow's old verdicts, and choices of models long undone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from shared.database import Database, Writer
from shared.retention import Kept, Terms

EVERY_SECONDS: Final = 3600.0
CHOICES_KEPT: Final = 1000
"""Years of choices: who put what in use stays on record for every model a rollback reaches."""
BATCH: Final = 5000
"""Rows deleted in one transaction, so that none is held long."""
FORGET_SHADOW: Final = text("""
WITH gone AS (DELETE FROM shadow_verdict WHERE (model, number) IN
    (SELECT model, number FROM shadow_verdict WHERE at < :before LIMIT :batch) RETURNING 1)
SELECT count(*) FROM gone
""")
FORGET_CHOICES: Final = text("""
WITH gone AS (DELETE FROM model_choice WHERE id IN
    (SELECT id FROM model_choice ORDER BY id DESC OFFSET :kept LIMIT :batch) RETURNING 1)
SELECT count(*) FROM gone
""")


def forget(writer: Writer, now: datetime, shadow_kept: timedelta) -> bool:
    """Delete one batch of what is past keeping; whether there may be more.

    The newest choices stay, and among them the one that holds.
    """
    told = writer.execute(FORGET_SHADOW, {"before": now - shadow_kept, "batch": BATCH})
    chosen = writer.execute(FORGET_CHOICES, {"kept": CHOICES_KEPT, "batch": BATCH})
    return BATCH in (told.scalar_one(), chosen.scalar_one())


def forgetting(database: Database, terms: Terms) -> Callable[[], bool]:
    """`forget` as a step of its own transaction."""

    def step() -> bool:
        with database.writing() as writer:
            return forget(writer, datetime.now(UTC), terms[Kept.SHADOW_VERDICTS])

    return step
