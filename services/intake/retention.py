"""What intake keeps for a time: the keys under which a request, or another system's ticket, is one.

A sender's own key is forgotten after days; the number that a channel has for a ticket is that
channel's name for it, and kept as long as the district says. So are tables that were taken in.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from services.intake.drafts import ANYBODY
from shared.database import Database
from shared.retention import Kept, Terms, bite_of, forget

EVERY_SECONDS: Final = 3600.0
OLD_KEYS: Final = bite_of("idempotency", f"at < :before AND subject <> '{ANYBODY}'")
OLD_NUMBERS: Final = bite_of("idempotency", f"at < :before AND subject = '{ANYBODY}'")
OLD_FILES: Final = bite_of(
    "import_part",
    "import_id IN (SELECT id FROM import WHERE state <> 'running' AND changed_at < :before)",
)
OLD_IMPORTS: Final = bite_of("import", "state <> 'running' AND changed_at < :before")


def forgetting(database: Database, terms: Terms) -> Callable[[], bool]:
    """A step of its own, once an hour."""

    def step() -> bool:
        now = datetime.now(UTC)
        forget(database, OLD_KEYS, now - terms[Kept.REQUEST_KEYS])
        forget(database, OLD_NUMBERS, now - terms[Kept.CHANNEL_NUMBERS])
        forget(database, OLD_FILES, now - terms[Kept.IMPORT_FILES])
        forget(database, OLD_IMPORTS, now - terms[Kept.IMPORTS])
        return False

    return step
