"""Leaving the embedded bus: what is carried, what is refused, and a move that was broken off."""

import uuid
from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest
from sqlalchemy import text

from deploy.kafka.move import SERVICES, MoveError, move
from shared.bus import READ_BY, BusUnavailable, Consumer, Producer, Received, Record
from shared.bus.embedded import EmbeddedBus
from shared.consume import ConsumerLoop, Subscription
from shared.database import Database
from shared.events import TICKETS
from shared.postgres import database_url, ensure_database, libpq
from shared.relay import Relay
from shared.service import all_topics, prepare
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.shared.urges import keep, numbers_by_key, publish, read_all, record, until

KEYS = [f"NK20261123-{n:06d}" for n in range(1, 13)]
ELSEWHERE = "kafka.example:9092"


@pytest.fixture(scope="module")
def migrated(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation whose services have their databases."""
    own = own_databases(server, tmp_path_factory.mktemp("moving"))
    for service in SERVICES:
        prepare(own, service.name)
    yield own
    drop_databases(own, server)


@pytest.fixture
def source(migrated: Settings) -> EmbeddedBus:
    """The embedded bus of the installation, as after its first start."""
    address = libpq(ensure_database(migrated, "bus"))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    bus = EmbeddedBus(address)
    for service in SERVICES:
        bus.ensure_topics(all_topics(service, migrated))
    return bus


@pytest.fixture
def target(migrated: Settings) -> EmbeddedBus:
    """Where it moves to: any bus will do to see what is carried."""
    return EmbeddedBus(libpq(ensure_database(migrated, f"to_{uuid.uuid4().hex[:8]}")))


def read(bus: EmbeddedBus, group: str, count: int) -> None:
    """Let a group have done so many records of the tickets' topic."""
    read_all(bus, TICKETS, count, group)


def test_all_that_is_kept_is_carried_in_order_under_its_ids_marked_with_who_has_done_it(
    migrated: Settings, source: EmbeddedBus, target: EmbeddedBus
) -> None:
    first = [record(TICKETS, key, n) for n in range(1, 4) for key in KEYS]
    second = [record(TICKETS, key, n) for n in range(4, 6) for key in KEYS]
    publish(source, first)
    read(source, "classifier.tickets", len(first))
    publish(source, second)
    carried = move(migrated, target, ELSEWHERE)
    assert carried[TICKETS] == sum(carried.values()) == len(first) + len(second)
    there = read_all(target, TICKETS, carried[TICKETS])
    assert numbers_by_key(there) == {key: [1, 2, 3, 4, 5] for key in KEYS}
    ids = {item.record.headers["ce_id"]: item.record.headers.get(READ_BY, "") for item in there}
    assert ids == {
        **{each.headers["ce_id"]: "classifier.tickets" for each in first},
        **{each.headers["ce_id"]: "" for each in second},
    }


def test_to_who_has_done_it_a_carried_record_stays_done_even_where_the_inbox_has_forgotten(
    migrated: Settings, source: EmbeddedBus, target: EmbeddedBus
) -> None:
    publish(source, [record(TICKETS, "k", 1)])
    read(source, "old", 1)
    publish(source, [record(TICKETS, "k", 2)])
    move(migrated, target, ELSEWHERE)
    database = Database(database_url(migrated, "intake"))
    with database.writing() as writer:
        writer.execute(text("CREATE TABLE IF NOT EXISTS effect (key text, n int, note text)"))
        writer.execute(text("TRUNCATE effect"))
    seen: dict[str, list[int]] = {}
    for group in ("old", "new"):
        loop = ConsumerLoop(
            Subscription(group, (TICKETS,), keep), target, database, {}, lambda: None
        )
        loop.start()
        until(lambda group=group: target.lag(group, [TICKETS])[TICKETS] == 0)  # type: ignore[misc]
        loop.stop()
        loop.join()
        with database.writing() as writer:
            seen[group] = list(writer.execute(text("SELECT n FROM effect ORDER BY n")).scalars())
            writer.execute(text("TRUNCATE effect"))
    database.close()
    assert seen == {"old": [2], "new": [1, 2]}


def test_the_embedded_bus_refuses_whoever_comes_back_to_it(
    migrated: Settings, source: EmbeddedBus, target: EmbeddedBus
) -> None:
    assert source.answers()
    move(migrated, target, ELSEWHERE)
    assert not source.answers()
    with pytest.raises(BusUnavailable, match=ELSEWHERE):
        source.ensure_topics({})
    with pytest.raises(MoveError, match=ELSEWHERE):
        move(migrated, target, "another.example:9092")


def test_nothing_moves_while_a_worker_publishes_or_reads(
    migrated: Settings, source: EmbeddedBus, target: EmbeddedBus
) -> None:
    database = Database(database_url(migrated, "router"))
    relay = Relay("router", database, source, {})
    relay.start()

    def refused() -> bool:
        try:
            move(migrated, Away(target), ELSEWHERE)
        except MoveError as error:
            return "router" in str(error)
        except BusUnavailable:
            return False
        return False

    until(refused)
    relay.stop()
    database.close()
    reader = source.consumer("intake.projection", [TICKETS])
    with pytest.raises(MoveError, match=r"intake\.projection"):
        move(migrated, target, ELSEWHERE)
    reader.close()
    assert source.answers()
    move(migrated, target, ELSEWHERE)


def test_a_target_that_holds_something_else_already_is_refused(
    migrated: Settings, source: EmbeddedBus, target: EmbeddedBus
) -> None:
    target.ensure_topics({TICKETS: 8})
    publish(target, [record(TICKETS, "k", 2)])
    with pytest.raises(MoveError, match="已有 1 条"):
        move(migrated, target, ELSEWHERE)
    assert source.answers()


def test_a_move_that_was_broken_off_goes_on_where_it_was(
    migrated: Settings,
    source: EmbeddedBus,
    target: EmbeddedBus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish(source, [record(TICKETS, key, n) for n in range(1, 61) for key in KEYS])
    monkeypatch.setattr("shared.bus.leaving.PATIENCE_SECONDS", 0.2)
    with pytest.raises(BusUnavailable):
        move(migrated, Breaking(target, 600), ELSEWHERE)
    assert not source.answers()
    carried = move(migrated, target, ELSEWHERE)
    assert 0 < carried[TICKETS] < 720
    there = read_all(target, TICKETS, target.lag("new", [TICKETS])[TICKETS])
    first: dict[str, Received] = {}
    for item in there:
        first.setdefault(item.record.headers["ce_id"], item)
    assert numbers_by_key(list(first.values())) == {key: list(range(1, 61)) for key in KEYS}
    assert move(migrated, target, ELSEWHERE)[TICKETS] == 0


class Away:
    """A bus that cannot be reached, so that a move that is not refused changes nothing."""

    name = "away"

    def __init__(self, bus: EmbeddedBus) -> None:
        self._bus = bus

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        raise BusUnavailable("away")

    def producer(self) -> Producer:
        return self._bus.producer()

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return self._bus.consumer(group, topics)

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        return self._bus.lag(group, topics)

    def answers(self) -> bool:
        return False

    def close(self) -> None:
        self._bus.close()


class Breaking(Away):
    """A bus that is gone after so many records, in the middle of a batch."""

    def __init__(self, bus: EmbeddedBus, after: int) -> None:
        super().__init__(bus)
        self.left = after

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        self._bus.ensure_topics(topics)

    def producer(self) -> Producer:
        return BreakingProducer(self, self._bus.producer())


class BreakingProducer:
    def __init__(self, breaking: Breaking, producer: Producer) -> None:
        self._breaking = breaking
        self._producer = producer

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        taken = self._breaking.left
        self._breaking.left = max(0, taken - len(records))
        if not taken:
            raise BusUnavailable("gone")
        sent = self._producer.publish(records[:taken])
        return [*sent, *[False] * (len(records) - len(sent))]

    def close(self) -> None:
        self._producer.close()
