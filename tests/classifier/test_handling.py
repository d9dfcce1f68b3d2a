"""What the classifier says of tickets it hears of, and how a person's word outlives it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.classifier.handling import ticket_handler
from services.classifier.model import Model
from shared.envelope import Message, parse
from shared.events import DANGER_HEARD, Danger, DangerHeard, Priority, SaidIn
from shared.settings import Settings
from tests.classifier.bench import (
    DANGER,
    LAMP,
    VAGUE,
    Bench,
    Said,
    amended,
    new_number,
    open_bench,
    received,
    taken,
    urged,
)
from tests.conftest import drop_databases, own_databases


@pytest.fixture(scope="module")
def bench(
    server: Settings, tmp_path_factory: pytest.TempPathFactory, model: Model, model_home: Path
) -> Iterator[Bench]:
    """A classifier on databases of its own."""
    settings = own_databases(server, tmp_path_factory.mktemp("bench"))
    with open_bench(settings, model_home) as running:
        yield running
    drop_databases(settings, server)


def message(said: Said) -> Message:
    parsed = parse(received(said))
    assert parsed is not None
    return parsed


def test_a_received_ticket_is_classified_and_told_in_one_transaction(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number))
    ((type_, said),) = bench.said(number)
    assert type_ == "classified"
    assert (said.leaf, said.priority, said.decided_by) == (
        "grid.street_lighting",
        Priority.P3,
        "model",
    )
    assert said.reasons
    assert said.ticket.number == number
    assert said.model_version == bench.running.parts.state.model.version  # type: ignore[attr-defined]
    query = """
        SELECT xmin::text FROM verdict WHERE number = :n
        UNION SELECT xmin::text FROM outbox WHERE key = :n
    """
    assert len(bench.rows(query, n=number)) == 1


def test_an_unsure_classification_says_so_and_waits_for_a_person(bench: Bench) -> None:
    number = bench.vague()
    ((type_, said),) = bench.said(number)
    assert type_ == "abstained"
    assert said.abstained
    assert bench.rows("SELECT abstained FROM verdict WHERE number = :n", n=number) == [(True,)]


def test_the_same_message_twice_does_nothing(bench: Bench) -> None:
    number = new_number()
    heard = bench.hear(taken(number))
    before = bench.rows("SELECT xmin::text FROM verdict WHERE number = :n", n=number)
    bench.consumer.handle(heard)
    bench.consumer.handle([*heard, *heard])
    assert bench.rows("SELECT xmin::text FROM verdict WHERE number = :n", n=number) == before
    assert len(bench.said(number)) == 1


def test_hundreds_of_tickets_are_one_transaction_in_their_order(bench: Bench) -> None:
    numbers = [new_number() for _ in range(300)]
    bench.hear(*(taken(number, DANGER if i % 3 else LAMP) for i, number in enumerate(numbers)))
    query = "SELECT count(*), count(DISTINCT xmin::text) FROM verdict WHERE number = ANY(:n)"
    assert bench.rows(query, n=numbers) == [(300, 1)]
    told = bench.rows("SELECT key FROM outbox WHERE key = ANY(:n) ORDER BY id", n=numbers)
    assert [key for (key,) in told] == numbers
    leaves = bench.rows("SELECT leaf FROM verdict WHERE number = :n", n=numbers[1])
    assert leaves == [("safety.fire_hazard",)]


def test_what_is_not_about_the_words_of_a_ticket_is_passed_over(bench: Bench) -> None:
    number = new_number()
    bench.hear(urged(number))
    assert bench.said(number) == []


def test_an_amended_ticket_is_classified_anew(bench: Bench) -> None:
    number = bench.vague()
    bench.hear(amended(number, VAGUE, LAMP))
    (_, before), (type_, after) = bench.said(number)
    assert before.abstained
    assert (type_, after.leaf, after.ticket.version) == ("classified", "grid.street_lighting", 2)


def test_received_and_amended_in_one_batch_are_both_told_and_the_last_is_kept(
    bench: Bench,
) -> None:
    number = new_number()
    bench.hear(taken(number, VAGUE), amended(number, VAGUE, LAMP))
    assert [said.ticket.version for _, said in bench.said(number)] == [1, 2]
    assert bench.rows("SELECT ticket_version FROM verdict WHERE number = :n", n=number) == [(2,)]


def test_an_older_version_says_nothing(bench: Bench) -> None:
    number = new_number()
    bench.hear(amended(number, VAGUE, LAMP, version=3))
    bench.hear(taken(number, VAGUE))
    assert [said.ticket.version for _, said in bench.said(number)] == [3]


@pytest.mark.parametrize(
    ("added", "priority"),
    [
        ("还是没人管", Priority.P4),
        (None, Priority.P4),
        (DANGER, Priority.P0),
    ],
)
def test_a_persons_leaf_stays_and_only_danger_in_the_new_words_raises_it(
    bench: Bench, added: str | None, priority: Priority
) -> None:
    number = bench.vague()
    answer = bench.post(f"/reviews/{number}", {"leaf": "grid.greening", "priority": "P4"})
    assert answer.status_code == 201
    bench.hear(amended(number, VAGUE, added, address="迎水里"))
    _, said = bench.said(number)[-1]
    assert (said.leaf, said.decided_by, said.actor) == ("grid.greening", "person", "dispatcher")
    assert said.priority is priority
    assert said.ticket.version == 2
    assert not said.abstained
    raised = [reason for reason in said.reasons if "优先级至少P0" in reason]
    assert bool(raised) == (priority is Priority.P0)


def test_danger_a_person_has_denied_is_not_found_again_in_the_old_words(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, DANGER))
    calm = {"leaf": "safety.fire_hazard", "priority": "P3"}
    assert bench.post(f"/reviews/{number}", calm).status_code == 201
    bench.hear(amended(number, DANGER, "是昨天的事，请来检查"))
    assert bench.said(number)[-1][1].priority is Priority.P3


def test_a_person_who_answers_while_an_amendment_is_classified_has_the_last_word(
    bench: Bench, model: Model
) -> None:
    number = bench.vague()
    answers: list[int] = []

    def answer() -> None:
        path = f"/reviews/{number}"
        answers.append(bench.post(path, {"leaf": "grid.greening"}).status_code)

    reviewing = threading.Thread(target=answer)
    with bench.database.writing() as writer:
        ticket_handler(model)(writer, [message(amended(number, VAGUE, LAMP))])
        reviewing.start()
        reviewing.join(timeout=0.3)
        assert reviewing.is_alive()
    reviewing.join(timeout=5)
    assert answers == [201]
    _, said = bench.said(number)[-1]
    assert (said.leaf, said.ticket.version) == ("grid.greening", 2)


def test_an_amendment_that_comes_while_a_person_answers_keeps_the_persons_leaf(
    bench: Bench,
) -> None:
    number = bench.vague()
    amending = threading.Thread(target=bench.hear, args=(amended(number, VAGUE, LAMP),))
    with bench.database.writing() as writer:
        writer.execute(
            text("SELECT 1 FROM verdict WHERE number = :n FOR UPDATE"), {"n": number}
        ).one()
        amending.start()
        amending.join(timeout=0.3)
        assert amending.is_alive()
        person = {"n": number, "said": '{"decided_by": "person", "leaf": "grid.greening"}'}
        writer.execute(
            text(
                "UPDATE verdict SET decided_by = 'person', leaf = 'grid.greening',"
                " classification = classification || CAST(:said AS jsonb) WHERE number = :n"
            ),
            person,
        )
    amending.join(timeout=5)
    assert bench.said(number)[-1][1].leaf == "grid.greening"


SPLIT_REASON = "由人工拆单确定"
CHILD: dict[str, Any] = {"parent": "NK20261123-900000", "demand": "elderly.meal_service"}


@pytest.mark.parametrize(
    ("leaf", "words", "priority"),
    [
        ("grid.street_lighting", VAGUE, Priority.P3),
        ("elderly.meal_service", LAMP, Priority.P3),
        ("safety.gas_leak", VAGUE, Priority.P0),
        ("grid.street_lighting", "路灯杆漏电，孩子摸了一下手麻", Priority.P0),
    ],
)
def test_a_ticket_split_off_another_has_the_leaf_a_person_gave_it(
    bench: Bench, leaf: str, words: str, priority: Priority
) -> None:
    number = new_number()
    bench.hear(taken(number, words, parent="NK20261123-900000", demand=leaf))
    ((type_, said),) = bench.said(number)
    assert (type_, said.leaf, said.decided_by) == ("classified", leaf, "person")
    assert (said.abstained, said.probability, said.demands) == (False, 1.0, ())
    assert said.priority is priority
    assert said.reasons[-1].startswith(SPLIT_REASON)
    assert bench.rows("SELECT guess_leaf FROM verdict WHERE number = :n", n=number) == [(None,)]


@pytest.mark.parametrize(("added", "priority"), [("还是没人管", "P3"), (DANGER, "P0")])
def test_a_split_off_ticket_that_is_amended_keeps_its_leaf(
    bench: Bench, added: str, priority: str
) -> None:
    number = new_number()
    bench.hear(taken(number, LAMP, **CHILD), amended(number, LAMP, added, **CHILD))
    _, (_, said) = bench.said(number)
    assert (said.leaf, said.decided_by, said.ticket.version) == (
        "elderly.meal_service",
        "person",
        2,
    )
    assert said.priority == priority


def test_a_reviewers_word_on_a_split_off_ticket_is_the_last(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, LAMP, **CHILD))
    assert bench.post(f"/reviews/{number}", {"leaf": "grid.greening"}).status_code == 201
    bench.hear(amended(number, LAMP, "还是没人管", **CHILD))
    assert bench.said(number)[-1][1].leaf == "grid.greening"


def test_a_demand_of_a_leaf_nobody_knows_is_left_to_the_model(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, LAMP, parent="NK20261123-900000", demand="grid.no_such_leaf"))
    ((_, said),) = bench.said(number)
    assert (said.leaf, said.decided_by) == ("grid.street_lighting", "model")


def test_danger_in_an_urge_is_told_with_its_kind_and_clause(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number))
    bench.hear(urged(number, "怎么还不来，刚才有人触电了"))
    bench.hear(urged(number, "都三天了，怎么还没人来"))
    ((payload,),) = bench.rows(
        "SELECT payload FROM outbox WHERE key = :n AND type = :type", n=number, type=DANGER_HEARD
    )
    heard = DangerHeard.model_validate_json(payload)
    assert (heard.danger.kind, heard.danger.clause) == ("live_wire", "刚才有人触电了")
    assert (heard.said_in, heard.priority) == (SaidIn.URGE, Priority.P0)


def test_a_classification_names_the_danger_and_the_clause_that_proves_it(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, "门口路灯坏了，还有三楼着火了，冒烟"))
    ((_, said),) = bench.said(number)
    assert said.danger == Danger(kind="burning", clause="还有三楼着火了")
    other = new_number()
    bench.hear(taken(other))
    ((_, calm),) = bench.said(other)
    assert calm.danger is None
