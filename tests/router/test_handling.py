"""What the router makes of what it hears: cases, their moves, and loud refusals."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import LIVE, Command
from services.router.handling import caller_handler, classified_handler
from shared.database import Database
from shared.events import CaseState, Priority
from tests.router.station import (
    ELSEWHERE,
    HERE,
    LAMP,
    STALLS,
    TRAPPED,
    Json,
    Station,
    classified,
    closed,
    heard,
    messages,
    new_number,
    reopened,
    urged,
)

EVERYTHING = """
    SELECT 'case', xmin::text FROM case_record WHERE number = :n
    UNION ALL SELECT 'clock', xmin::text FROM clock WHERE number = :n
    UNION ALL SELECT 'log', xmin::text FROM case_log WHERE number = :n
    UNION ALL SELECT 'queue', xmin::text FROM queue_entry WHERE number = :n
    UNION ALL SELECT 'outbox', xmin::text FROM outbox WHERE key = :n
    UNION ALL SELECT 'inbox', xmin::text FROM inbox WHERE event_id = CAST(:id AS uuid)
"""


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Every statement that goes to the database in a block."""
    sent: list[str] = []

    def note(*arguments: object) -> None:
        sent.append(str(arguments[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_classified_ticket_opens_a_case_and_everything_about_it_in_one_transaction(
    station: Station,
) -> None:
    number = new_number()
    (heard,) = station.hear(classified(number))
    found = station.rows(EVERYTHING, n=number, id=heard.record.headers["ce_id"])
    assert len({transaction for _, transaction in found}) == 1
    kinds = [kind for kind, _ in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "case": 1,
        "clock": 3,
        "log": 1,
        "queue": 1,
        "outbox": 2,
        "inbox": 1,
    }
    assert station.said(number) == [
        ("hotline.cases", "hotline.case.dispatched.v1"),
        ("hotline.queue.urban-management", "hotline.queue.changed.v1"),
    ]


@pytest.mark.parametrize(
    ("leaf", "fields", "state", "queues"),
    [
        (LAMP, {}, "dispatched", {"urban-management": "lead"}),
        (STALLS, {}, "dispatched", {"wangdingdi": "lead"}),
        (LAMP, {"address": None}, "awaiting_info", {"hotline-office": "desk"}),
        (LAMP, {"abstained": True}, "manual_dispatch", {"hotline-office": "desk"}),
        (LAMP, {"address": ELSEWHERE}, "redirected_out", {"city-hotline": "desk"}),
        (
            TRAPPED,
            {},
            "dispatched",
            {"lift-rescue": "lead", "market": "assist", "fire": "assist", "wangdingdi": "assist"},
        ),
    ],
)
def test_a_new_case_stands_in_the_queues_of_those_who_have_to_do_with_it_and_in_no_other(
    station: Station, leaf: str, fields: Json, state: str, queues: dict[str, str]
) -> None:
    number = station.opened(leaf, **fields)
    assert station.state(number) == state
    assert station.queues(number) == {unit: (role, True) for unit, role in queues.items()}


def test_assistants_hear_of_danger_at_once_and_of_ordinary_tickets_by_a_whistle(
    station: Station,
) -> None:
    ordinary, danger = station.opened(), station.opened(priority=Priority.P1)
    assert set(station.queues(ordinary)) == {"urban-management"}
    assert set(station.queues(danger)) == {"urban-management", "power", "wangdingdi"}


def test_the_same_message_twice_does_nothing(station: Station) -> None:
    number = new_number()
    heard = station.hear(classified(number))
    before = station.rows(EVERYTHING, n=number, id=heard[0].record.headers["ce_id"])
    station.hear_again(heard)
    station.hear_again([*heard, *heard])
    after = station.rows(EVERYTHING, n=number, id=heard[0].record.headers["ce_id"])
    assert sorted(after) == sorted(before)


def test_an_older_version_of_a_ticket_changes_nothing(station: Station) -> None:
    number = station.opened(version=3, address=None)
    station.hear(classified(number, version=2, address=HERE))
    assert station.state(number) == "awaiting_info"
    assert station.facts(number) == ["awaiting_info"]


def test_hundreds_of_tickets_are_one_transaction_of_as_many_statements_as_a_few(
    empty_station: Station,
) -> None:
    counts = {}
    for size in (20, 400):
        numbers = [new_number() for _ in range(size)]
        with statements_of(empty_station.database) as opening:
            empty_station.hear(*(classified(number) for number in numbers))
        with statements_of(empty_station.database) as supplementing:
            empty_station.hear(*(classified(number, version=2) for number in numbers))
        with statements_of(empty_station.database) as urging:
            empty_station.hear(*(urged(number) for number in numbers))
        counts[size] = (len(opening), len(supplementing), len(urging))
        found = empty_station.rows(
            "SELECT count(*), count(DISTINCT xmin::text) FROM case_record WHERE number = ANY(:n)",
            n=numbers,
        )
        assert found == [(size, 1)]
    assert counts[20] == counts[400]
    assert max(counts[400]) < 15
    seqs = empty_station.rows("SELECT seq FROM queue_entry ORDER BY seq")
    assert len(seqs) == 420


def test_a_ticket_received_and_amended_in_one_batch_is_one_case(station: Station) -> None:
    number = new_number()
    station.hear(classified(number, address=None), classified(number, version=2, address=HERE))
    assert station.facts(number) == ["awaiting_info", "supplemented", "dispatched"]
    assert station.queues(number) == {"urban-management": ("lead", True)}
    assert station.value("SELECT version FROM case_record WHERE number = :n", n=number) == 2


@pytest.mark.parametrize(
    ("undecided", "desk"),
    [
        ({"address": None}, "hotline-office"),
        ({"abstained": True}, "hotline-office"),
        ({"address": ELSEWHERE}, "city-hotline"),
    ],
)
def test_an_amendment_routes_a_case_anew_that_nobody_has_decided(
    station: Station, undecided: Json, desk: str
) -> None:
    number = station.opened(**undecided)
    assert station.queues(number) == {desk: ("desk", True)}
    station.hear(classified(number, version=2, address=HERE))
    assert station.state(number) == "dispatched"
    assert station.queues(number) == {desk: ("desk", False), "urban-management": ("lead", True)}


def test_an_amendment_leaves_a_case_with_the_unit_that_holds_it(station: Station) -> None:
    number = station.opened()
    station.hear(classified(number, STALLS, version=2, text="还有小贩占道", address=HERE))
    found = station.rows(
        "SELECT state, lead_unit, leaf FROM case_record WHERE number = :n", n=number
    )
    assert found == [("dispatched", "urban-management", LAMP)]
    ticket = station.value("SELECT ticket ->> 'text' FROM case_record WHERE number = :n", n=number)
    assert ticket == "还有小贩占道"


def test_danger_in_an_amendment_reaches_the_assistants(station: Station) -> None:
    number = station.opened()
    station.hear(classified(number, version=2, priority=Priority.P1))
    assert set(station.queues(number)) == {"urban-management", "power", "wangdingdi"}


def test_an_urge_marks_the_case_and_its_queue_entry(station: Station) -> None:
    number = station.opened()
    station.hear(urged(number))
    assert station.facts(number) == ["dispatched", "urged"]
    reason = "SELECT item ->> 'reason' FROM queue_entry WHERE number = :n"
    assert station.value(reason, n=number) == "urged"


def test_an_urge_before_the_case_is_kept_and_applied_when_it_opens(station: Station) -> None:
    number = new_number()
    station.hear(urged(number, "第一次"), urged(number, "第二次"))
    assert station.rows("SELECT 1 FROM case_record WHERE number = :n", n=number) == []
    station.hear(classified(number))
    assert station.facts(number) == ["dispatched", "urged", "urged"]
    notes = station.rows("SELECT note FROM case_log WHERE number = :n ORDER BY id", n=number)
    assert notes[1:] == [("第一次",), ("第二次",)]
    assert station.rows("SELECT 1 FROM early_urge WHERE number = :n", n=number) == []


def test_an_urge_while_the_case_is_being_opened_is_not_lost(station: Station) -> None:
    number = new_number()
    rules = station.rules
    urging = threading.Thread(target=station.hear, args=(urged(number),))
    with station.database.writing() as writer:
        classified_handler(rules)(writer, messages(classified(number)))
        urging.start()
        urging.join(timeout=0.3)
        assert urging.is_alive()
    urging.join(timeout=5)
    assert station.facts(number) == ["dispatched", "urged"]


def test_a_case_that_opens_while_an_urge_is_being_kept_finds_it(station: Station) -> None:
    number = new_number()
    opening = threading.Thread(target=station.hear, args=(classified(number),))
    with station.database.writing() as writer:
        caller_handler(station.rules)(writer, messages(urged(number)))
        writer.flush()
        opening.start()
        opening.join(timeout=0.3)
        assert opening.is_alive()
    opening.join(timeout=5)
    assert station.facts(number) == ["dispatched", "urged"]


def test_an_urge_of_a_known_case_waits_for_no_other_case_to_be_opened(station: Station) -> None:
    number = station.opened()
    with station.database.writing() as writer:
        classified_handler(station.rules)(writer, messages(classified(new_number(), STALLS)))
        station.hear(urged(number))
    assert station.facts(number) == ["dispatched", "urged"]


def test_an_urge_after_the_end_changes_nothing_and_is_no_error(station: Station) -> None:
    number = station.opened(address=None)
    station.hear(closed(number))
    station.hear(urged(number))
    assert station.state(number) == "closed"
    assert station.rows("SELECT 1 FROM dead_letter WHERE key = :n", n=number) == []


def test_the_callers_word_closes_a_case_and_empties_every_queue_of_it(station: Station) -> None:
    number = station.answered()
    station.hear(closed(number))
    assert station.state(number) == "closed"
    assert not any(is_open for _, is_open in station.queues(number).values())
    running = "SELECT count(*) FROM clock WHERE number = :n AND next_fire_at IS NOT NULL"
    assert station.value(running, n=number) == 0


def test_the_callers_word_opens_a_second_handling_by_the_same_unit(station: Station) -> None:
    number = station.answered()
    station.hear(reopened(number))
    assert station.state(number) == "dispatched"
    assert station.queues(number)["urban-management"] == ("lead", True)
    rounds = "SELECT kind FROM clock WHERE number = :n AND round = 1 AND stopped_at IS NULL"
    assert len(station.rows(rounds, n=number)) == 3


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize(
    "command", [Command.CALLED_BACK_SOLVED, Command.CALLED_BACK_UNSOLVED, Command.END]
)
def test_the_callers_last_word_fits_a_case_in_whatever_state_it_is_meanwhile(
    state: CaseState, command: Command
) -> None:
    assert (state, command) in CASE_MACHINE.cells


def test_danger_that_crosses_the_callers_answer_goes_on(station: Station) -> None:
    for answer in (reopened, closed):
        number = station.answered()
        station.hear(heard(number, "gas"))
        station.hear(answer(number))
        assert station.state(number) == "dispatched"
        assert station.facts(number)[-1] == "reopened"
        assert station.rows("SELECT 1 FROM dead_letter WHERE key = :n", n=number) == []


def test_the_callers_answer_holds_for_a_case_that_is_taken_up_again(station: Station) -> None:
    solved, unsolved = station.opened(), station.opened()
    station.hear(closed(solved), reopened(unsolved))
    assert station.state(solved) == "closed"
    assert not any(is_open for _, is_open in station.queues(solved).values())
    assert (station.state(unsolved), station.facts(unsolved)[-1]) == ("dispatched", "reopened")
    assert station.queues(unsolved)["urban-management"] == ("lead", True)


def test_a_word_that_ends_a_ticket_waits_for_its_case(station: Station) -> None:
    number = new_number()
    station.hear(closed(number))
    assert station.rows("SELECT 1 FROM dead_letter WHERE key = :n", n=number) == []
    station.hear(classified(number, address=None))
    assert station.state(number) == "closed"


def test_an_unknown_case_is_refused_loudly(station: Station) -> None:
    number = new_number()
    station.hear(reopened(number))
    parked = "SELECT reason, error, attempts FROM dead_letter WHERE key = :n"
    assert station.rows(parked, n=number) == [("handler_failed", "UnknownCase", 3)]
    assert station.said(number) == [("hotline.deadletter", "hotline.deadletter.parked.v1")]


def test_a_word_that_does_not_fit_the_case_is_refused_loudly(station: Station) -> None:
    number = station.answered()
    station.hear(closed(number))
    station.hear(reopened(number))
    assert station.state(number) == "closed"
    parked = "SELECT error FROM dead_letter WHERE key = :n"
    assert station.value(parked, n=number) == "WrongState"


def test_one_bad_message_does_not_take_the_others_with_it(station: Station) -> None:
    good, bad = new_number(), new_number()
    nonsense = classified(bad).model_copy(update={"leaf": "grid.no_such_thing"})
    station.hear(nonsense, classified(good))
    assert station.state(good) == "dispatched"
    assert station.rows("SELECT 1 FROM case_record WHERE number = :n", n=bad) == []
    assert station.value("SELECT count(*) FROM dead_letter WHERE key = :n", n=bad) == 1


def test_the_citizens_clock_runs_from_the_receipt_and_the_units_from_the_dispatch(
    station: Station,
) -> None:
    said = classified(new_number())
    station.hear(said)
    query = "SELECT kind, started_at FROM clock WHERE number = :n"
    started = dict(station.rows(query, n=said.ticket.number))
    assert started["resolve"] == said.ticket.received_at
    assert started["accept"] == started["contact"] > said.ticket.received_at
