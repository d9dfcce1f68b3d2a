"""What the classifier keeps for good is bounded, and the choice that holds is never forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from services.classifier import retention
from services.classifier.retention import CHOICES_KEPT, forgetting
from shared.retention import Kept, load_terms
from tests.classifier.live_bench import Live

TERMS = load_terms(None)
STORE = text("""
INSERT INTO shadow_verdict
    (number, model, ticket_version, leaf, priority, probability, abstained, at)
SELECT 'N' || n, :model, 1, 'grid.greening', 'P3', 0.9, false, :at
FROM generate_series(1, :many) AS n
""")
CHOOSE = text("""
INSERT INTO model_choice (active, deed, actor, at)
SELECT :version, 'promote', '王五', now() FROM generate_series(1, :many)
""")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 40)


def forget_all(live: Live) -> None:
    step = forgetting(live.database, TERMS)
    while step():
        pass


def test_old_verdicts_of_a_shadow_are_forgotten_whatever_the_model(live: Live) -> None:
    now = datetime.now(UTC)
    with live.database.writing() as writer:
        for model, age in (
            ("old", TERMS[Kept.SHADOW_VERDICTS] * 2),
            ("present", timedelta(days=1)),
        ):
            writer.execute(STORE, {"model": model, "at": now - age, "many": 100})
    forget_all(live)
    query = "SELECT model, count(*) FROM shadow_verdict GROUP BY model"
    assert live.bench.rows(query) == [("present", 100)]


def test_the_newest_choices_are_kept_and_still_hold(live: Live) -> None:
    with live.database.writing() as writer:
        writer.execute(CHOOSE, {"version": live.first.version, "many": CHOICES_KEPT + 90})
        writer.execute(CHOOSE, {"version": live.second.version, "many": 1})
    forget_all(live)
    assert live.bench.rows("SELECT count(*) FROM model_choice") == [(CHOICES_KEPT,)]
    live.models.refresh()
    assert live.models.active.version == live.second.version
    assert live.run("models", "rollback").exit_code == 0
    assert live.models.active.version == live.first.version


def test_the_service_forgets_by_itself(live: Live) -> None:
    assert "classifier-retention" in [task.name for task in live.bench.running.parts.tasks]
