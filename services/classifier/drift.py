"""Whether the tickets change under the model: abstentions, confidence and categories over time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from services.classifier.choices import present_choice
from shared.database import Reader
from shared.events import Category
from shared.metrics import (
    ABSTAINED_SHARE,
    GUESSED_RECENTLY,
    MEAN_PROBABILITY,
    SHADOW_AGREEMENT,
)

EVERY_SECONDS: Final = 60.0
"""How often the windows are measured anew."""
WINDOWS: Final[Mapping[str, timedelta]] = {"1d": timedelta(days=1), "7d": timedelta(days=7)}
"""The last day against the last week; a window slides with the clock."""
GUESSES: Final = text("""
SELECT split_part(guess_leaf, '.', 1) AS category, count(*) AS tickets,
    count(*) FILTER (WHERE guess_abstained) AS abstained, sum(guess_probability) AS probability
FROM verdict WHERE guess_at > :since GROUP BY 1
""")
AGREEMENT: Final = text("""
SELECT count(*) AS tickets,
    count(*) FILTER (WHERE s.leaf = v.guess_leaf) AS leaf,
    count(*) FILTER (WHERE split_part(s.leaf, '.', 1) = split_part(v.guess_leaf, '.', 1))
        AS category,
    count(*) FILTER (WHERE s.priority = v.guess_priority) AS priority
FROM shadow_verdict s JOIN verdict v USING (number)
WHERE s.model = :shadow AND s.at > :since AND v.guess_model = :active
""")


def publish_drift(reader: Reader, now: datetime) -> None:
    """Refresh the gauges of every window, by index alone, and of the shadow's agreement."""
    for window, length in WINDOWS.items():
        rows = reader.execute(GUESSES, {"since": now - length}).all()
        tickets = {row.category: int(row.tickets) for row in rows}
        total = sum(tickets.values())
        for category in Category:
            GUESSED_RECENTLY.labels(window, category).set(tickets.get(category, 0))
        ABSTAINED_SHARE.labels(window).set(_share(sum(row.abstained for row in rows), total))
        MEAN_PROBABILITY.labels(window).set(_share(sum(row.probability for row in rows), total))
    _publish_agreement(reader, now - WINDOWS["7d"])


def _publish_agreement(reader: Reader, since: datetime) -> None:
    choice = present_choice(reader)
    versions = {"shadow": choice and choice.shadow, "active": choice and choice.active}
    row = reader.execute(AGREEMENT, {**versions, "since": since}).one()
    for on in ("leaf", "category", "priority"):
        SHADOW_AGREEMENT.labels(on).set(_share(getattr(row, on), row.tickets))


def _share(part: float, whole: int) -> float:
    return part / whole if whole else float("nan")
