"""What one transaction writes of its cases, and the numbers in the units' feeds."""

import json
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from services.router.handling import caller_handler, classified_handler
from services.router.storage.ledger import Ledger
from services.router.storage.queues import read_queue
from shared.database import Database, Writer
from shared.events import Payload, QueueItem
from tests.router.station import (
    LAMP,
    STALLS,
    TRAPPED,
    Station,
    classified,
    messages,
    new_number,
    urged,
)

UNITS = ("urban-management", "wangdingdi", "lift-rescue", "fire", "market")
WRITERS = 6
ROUNDS = 15


@dataclass
class Follower:
    """A copy of one unit's queue, kept by following its cursor while others write."""

    database: Database
    unit: str
    cursor: str
    seen: list[int] = field(default_factory=list)
    copy: dict[tuple[str, str], tuple[int, bool]] = field(default_factory=dict)

    def read(self) -> None:
        """Take over what changed since."""
        with self.database.reading() as reader:
            page = read_queue(reader, self.unit, self.cursor, limit=7)
        for item in page.items:
            self.seen.append(item.seq)
            whistle = item.whistle.number if item.whistle else ""
            self.copy[item.number, whistle] = (item.seq, item.open)
        self.cursor = page.cursor

    def follow(self, done: threading.Event) -> None:
        """Read until the writers are done and nothing is left."""
        while True:
            last_round = done.is_set()
            before = self.cursor
            self.read()
            if last_round and self.cursor == before:
                return


def write_at_random(station: Station, seed: int, numbers: list[str], *, urge: bool) -> None:
    """Transactions that open cases and urge known ones, and take their time to commit."""
    dice = random.Random(seed)
    rules = station.rules
    opening, calling = classified_handler(rules), caller_handler(rules)
    for _ in range(ROUNDS):
        said: list[Payload] = [
            classified(new_number(), dice.choice((LAMP, STALLS, TRAPPED)))
            for _ in range(dice.randint(1, 3))
        ]
        if urge and len(numbers) > 3 and dice.random() < 0.5:
            said = [urged(number) for number in dice.sample(numbers, 3)]
        heard = messages(*said)
        with station.database.writing() as writer:
            (calling if heard[0].type.startswith("hotline.ticket") else opening)(writer, heard)
            time.sleep(dice.random() * 0.01)
        numbers.extend(message.key for message in heard)


def stress(station: Station, *, urge: bool) -> list[Follower]:
    """Many writers at once, and a follower for each unit."""
    done = threading.Event()
    followers = [Follower(station.database, unit, f"{unit}:0") for unit in UNITS]
    numbers: list[str] = []
    with ThreadPoolExecutor(WRITERS + len(followers)) as pool:
        reading: list[Future[None]] = [pool.submit(one.follow, done) for one in followers]
        writing = [
            pool.submit(write_at_random, station, seed, numbers, urge=urge)
            for seed in range(WRITERS)
        ]
        for writer in writing:
            writer.result(timeout=60)
        done.set()
        for reader in reading:
            reader.result(timeout=60)
    return followers


def test_a_reader_sees_every_number_in_its_order_while_others_commit(
    empty_station: Station,
) -> None:
    for follower in stress(empty_station, urge=False):
        assert follower.seen == list(range(1, len(follower.seen) + 1))
        assert follower.seen


def test_a_copy_kept_by_the_cursor_is_true_while_entries_change(empty_station: Station) -> None:
    for follower in stress(empty_station, urge=True):
        assert follower.seen == sorted(set(follower.seen))
        query = "SELECT number, whistle, seq, open FROM queue_entry WHERE unit = :u"
        truth = empty_station.rows(query, u=follower.unit)
        assert follower.copy == {
            (number, whistle): (seq, is_open) for number, whistle, seq, is_open in truth
        }


def test_every_change_of_a_queue_is_on_the_units_topic_once_and_in_its_order(
    empty_station: Station,
) -> None:
    stress(empty_station, urge=True)
    for unit in UNITS:
        query = "SELECT payload FROM outbox WHERE topic = :t ORDER BY id"
        said = empty_station.rows(query, t=f"hotline.queue.{unit}")
        items = [QueueItem.model_validate_json(payload) for (payload,) in said]
        assert [item.seq for item in items] == list(range(1, len(items) + 1))
        feed = empty_station.value("SELECT seq FROM unit_feed WHERE unit = :u", u=unit)
        assert feed == len(items)


def test_a_transaction_that_fails_leaves_no_gap(empty_station: Station) -> None:
    station = empty_station

    def fail(writer: Writer) -> None:
        classified_handler(station.rules)(writer, messages(classified(new_number())))
        raise RuntimeError("after the numbers were given")

    station.opened()
    with pytest.raises(RuntimeError), station.database.writing() as writer:
        fail(writer)
    station.opened()
    assert station.rows("SELECT seq FROM queue_entry ORDER BY seq") == [(1,), (2,)]


def test_a_unit_that_loses_a_case_sees_its_entry_closed_once(station: Station) -> None:
    number = station.opened()
    station.done(number, "redispatch", lead_unit="power")
    assert station.queues(number) == {
        "urban-management": ("lead", False),
        "power": ("lead", True),
    }
    lost = "SELECT seq FROM queue_entry WHERE number = :n AND unit = 'urban-management'"
    before = station.value(lost, n=number)
    station.done(number, "accept", unit="power")
    assert station.value(lost, n=number) == before


def test_an_event_carries_the_case_as_it_stood_after_it(station: Station) -> None:
    number = station.opened(address=None)
    station.hear(classified(number, version=2))
    query = "SELECT payload FROM outbox WHERE key = :n AND topic = 'hotline.cases' ORDER BY id"
    states = [
        (found["case"]["version"], found["case"]["state"])
        for found in (json.loads(payload) for (payload,) in station.rows(query, n=number))
    ]
    assert states == [(1, "awaiting_info"), (2, "dispatched"), (2, "dispatched")]


def test_a_case_is_read_as_it_was_decided(station: Station) -> None:
    number = new_number()
    rules = station.rules
    with station.database.writing() as writer:
        classified_handler(rules)(writer, messages(classified(number, TRAPPED)))
        ledger = Ledger(writer)
        ledger.hold([number])
        held = ledger.case(number)
    assert held is not None
    assert held.record.lead_unit == "lift-rescue"
    assert held.record.assist_units == ("market", "fire", "wangdingdi")
    assert held.record.place.community == "120104009015"
    assert held.record.reasons
    assert held.record.policy_version == rules.policy.version
    assert [clock.id is not None for clock in held.record.clocks] == [True, True, True]


def test_a_held_case_keeps_others_waiting_and_a_skipping_reader_passes_it_by(
    station: Station,
) -> None:
    number, free = station.opened(), station.opened()
    with station.database.writing() as holder, station.database.writing() as passer:
        Ledger(holder).hold([number])
        ledger = Ledger(passer)
        ledger.hold([number, free], skip_locked=True)
        assert [held.record.number for held in ledger.cases] == [free]
