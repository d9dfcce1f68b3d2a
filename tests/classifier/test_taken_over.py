"""A dispatcher's correction at the case: the classification follows, and the training hears."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from services.classifier.model import Model
from shared.bus import Received, Record
from shared.consume import ConsumerLoop
from shared.envelope import headers_of
from shared.events import CASES, CaseFact, Category, Priority
from shared.settings import Settings
from tests.classifier.bench import VAGUE, Bench, new_number, open_bench, taken
from tests.conftest import drop_databases, own_databases
from tests.intake.office import case_event

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bench(
    server: Settings, tmp_path_factory: pytest.TempPathFactory, model: Model, model_home: Path
) -> Iterator[Bench]:
    settings = own_databases(server, tmp_path_factory.mktemp("taken-over"))
    with open_bench(settings, model_home) as running:
        yield running
    drop_databases(settings, server)


def corrected(
    bench: Bench, number: str, leaf: str, *, actor: str = "李四", priority: str = "P2"
) -> None:
    """The case of a ticket is given another leaf."""
    subscription = bench.running.parts.subscriptions[1]
    runtime = bench.running.runtime
    consumer = ConsumerLoop(subscription, runtime.bus, runtime.database, {}, lambda: None)
    category = leaf.split(".", maxsplit=1)[0]
    said = case_event(
        number, 2, leaf=leaf, category=Category(category), priority=Priority(priority)
    )
    event = said.model_copy(update={"actor": actor, "note": "是水管漏了"})
    type_ = CaseFact.RECLASSIFIED.event_type
    headers = headers_of(uuid4(), type_, "router", number, NOW, None)
    consumer.handle(
        [Received(Record(CASES, number, event.model_dump_json().encode(), headers), 0, 0)]
    )


def test_a_ticket_that_was_corrected_at_its_case_waits_for_no_review(bench: Bench) -> None:
    number = bench.vague()
    corrected(bench, number, "other.water_supply")
    assert number not in {item["number"] for item in bench.get("/reviews").json()["items"]}
    ((leaf, by, abstained),) = bench.rows(
        "SELECT leaf, decided_by, abstained FROM verdict WHERE number = :n", n=number
    )
    assert (leaf, by, abstained) == ("other.water_supply", "person", False)


def test_the_correction_is_kept_for_the_next_training_and_told_to_nobody_again(
    bench: Bench,
) -> None:
    number = bench.vague()
    told = bench.said(number)
    corrected(bench, number, "other.water_supply")
    rows = bench.rows("SELECT leaf, priority, reviewer FROM review WHERE number = :n", n=number)
    assert rows == [("other.water_supply", "P2", "李四")]
    assert bench.said(number) == told


def test_what_a_review_has_said_is_not_counted_a_second_time(bench: Bench) -> None:
    number = bench.vague()
    answer = {"leaf": "other.water_supply", "priority": "P2"}
    assert bench.post(f"/reviews/{number}", answer).status_code == 201
    corrected(bench, number, "other.water_supply")
    ((count,),) = bench.rows("SELECT count(*) FROM review WHERE number = :n", n=number)
    assert count == 1


def test_what_no_person_has_ruled_and_what_nobody_knows_changes_nothing(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, VAGUE))
    before = bench.rows("SELECT classification FROM verdict WHERE number = :n", n=number)
    corrected(bench, number, "other.water_supply", actor="system")
    corrected(bench, new_number(), "other.water_supply")
    assert bench.rows("SELECT classification FROM verdict WHERE number = :n", n=number) == before
