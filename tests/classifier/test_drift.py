"""The gauges that show tickets changing under the model."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.classifier.drift import GUESSES, publish_drift
from tests.classifier.bench import LAMP, VAGUE, new_number, taken
from tests.classifier.live_bench import GREEN, Live


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"hotline_{name}", labels)
    assert found is not None
    return found


def publish(live: Live, after: timedelta = timedelta()) -> None:
    with live.database.reading() as reader:
        publish_drift(reader, datetime.now(UTC) + after)


def test_windows_slide_and_a_persons_answer_hides_no_abstention(live: Live) -> None:
    vague = new_number()
    live.bench.hear(taken(new_number(), LAMP), taken(vague, VAGUE))
    ((abstained,),) = live.bench.rows("SELECT count(*) FROM verdict WHERE abstained")
    assert abstained == 1
    live.bench.post(f"/reviews/{vague}", {"leaf": GREEN})
    publish(live)
    for window in ("1d", "7d"):
        assert value("abstained_share", window=window) == 0.5
        assert 0 < value("mean_probability", window=window) < 1
        mix = [
            value("guessed_tickets", window=window, category=category)
            for category in ("grid", "property", "safety", "elderly", "other")
        ]
        assert sum(mix) == 2
    publish(live, timedelta(days=2))
    assert math.isnan(value("abstained_share", window="1d"))
    assert value("guessed_tickets", window="1d", category="grid") == 0
    assert value("abstained_share", window="7d") == 0.5


def test_the_shadows_agreement_is_measured_and_gone_with_the_shadow(live: Live) -> None:
    live.run("models", "shadow", live.second.version)
    live.bench.hear(taken(new_number(), LAMP), taken(new_number(), "楼道里有煤气味"))
    live.settle()
    publish(live)
    assert value("shadow_agreement_share", on="leaf") == 0.5
    assert value("shadow_agreement_share", on="category") == 1
    assert value("shadow_agreement_share", on="priority") == 1
    live.run("models", "shadow", "--off")
    publish(live)
    assert math.isnan(value("shadow_agreement_share", on="leaf"))


def test_windows_are_read_by_their_index(live: Live) -> None:
    with live.database.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO verdict (number, ticket_version, leaf, priority, abstained,"
                " decided_by, decided_at, classification, guess_at, guess_leaf)"
                " SELECT 'X' || i, 1, 'grid.greening', 'P3', false, 'model', now(), '{}',"
                " now() - i * interval '1 minute', 'grid.greening'"
                " FROM generate_series(1, 20000) i"
            )
        )
        connection.execute(text("ANALYZE verdict"))
        since = datetime.now(UTC) - timedelta(days=1)
        explained = connection.execute(text(f"EXPLAIN {GUESSES.text}"), {"since": since})
        assert "verdict_by_guess" in "\n".join(line for (line,) in explained)


def test_the_service_measures_itself_every_few_seconds(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.bench.hear(taken(new_number(), VAGUE))
    live.bench.running.parts.measure()
    assert value("reviews_waiting") == 1
    monkeypatch.setattr("services.classifier.service.publish_drift", pytest.fail)
    live.bench.running.parts.measure()
