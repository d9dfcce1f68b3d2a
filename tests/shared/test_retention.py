"""What is kept, how long, and that the rest goes without a mass DELETE."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.days import AHEAD
from shared.envelope import new_id
from shared.housekeeping import keep_house
from shared.messaging import admit, handled_before
from shared.postgres import database_url, ensure_database, libpq
from shared.retention import TABLE, Kept, RetentionError, load_terms
from shared.settings import Settings
from tests.shared.urges import count, new_topic, record

TERMS = load_terms(None)
NOW = datetime.now(UTC)
GROUP = "test.retention"


def keep(database: Database, bus: EmbeddedBus, now: datetime = NOW) -> None:
    keep_house(database, bus, TERMS, now)


@pytest.fixture
def log(installation: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The bus's database, for what no consumer can see."""
    dsn = libpq(ensure_database(installation, "bus"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def parts(connection: psycopg.Connection[tuple[object, ...]], table: str) -> set[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    return {str(name) for (name,) in connection.execute(query, (table,)).fetchall()}


def day(table: str, at: datetime) -> str:
    return f"{table}_{at:%Y%m%d}"


def test_every_term_is_in_the_table_and_the_districts_own_goes_first(tmp_path: Path) -> None:
    assert load_terms(tmp_path) == TERMS
    assert TERMS[Kept.REQUEST_KEYS] == timedelta(days=7)
    own = "kept,days,source\n" + "".join(f"{kept},30,区里定的\n" for kept in Kept)
    (tmp_path / TABLE).write_text(own)
    assert set(load_terms(tmp_path).values()) == {timedelta(days=30)}


ROWS = {kept.value: "30" for kept in Kept}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inbox": ""}, "inbox 须写明天数"),
        ({"texts": "0"}, "texts 须写明天数"),
        ({"texts": "-3"}, "texts 须写明天数"),
        ({"everything": "9"}, "不认识 everything"),
        ({"inbox": "5"}, "inbox 不得短于 bus_log"),
        ({"texts": "20"}, "texts 不得短于 contacts"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    rows = "".join(f"{kept},{days},区里定的\n" for kept, days in {**ROWS, **change}.items())
    (tmp_path / TABLE).write_text("kept,days,source\n" + rows)
    with pytest.raises(RetentionError, match=sentence):
        load_terms(tmp_path)


def test_the_inbox_forgets_whole_days_and_never_what_may_come_again(
    database: Database, bus: EmbeddedBus
) -> None:
    ages = {days: NOW - timedelta(days=days) for days in (0, 6, 13, 16, 40)}
    with psycopg.connect(libpq(database.url), autocommit=True) as connection:
        for at in ages.values():
            keep(database, bus, at)
        ids = {days: new_id(at) for days, at in ages.items()}
        with database.writing() as writer:
            assert admit(writer, GROUP, list(ids.values())) == set(ids.values())
        keep(database, bus)
        left = parts(connection, "inbox")
        assert {day("inbox", ages[days]) for days in (0, 6, 13)} <= left
        assert not left & {day("inbox", ages[days]) for days in (16, 40)}
        assert day("inbox", NOW + timedelta(days=AHEAD)) in left
    with database.writing() as writer:
        assert handled_before(writer, GROUP, list(ids.values())) == {ids[0], ids[6], ids[13]}
        assert admit(writer, GROUP, [ids[0], ids[6], ids[13]]) == set()


def test_ids_of_an_earlier_release_are_known_and_forgotten_by_their_age(
    database: Database, bus: EmbeddedBus
) -> None:
    old, young = uuid.uuid4(), uuid.uuid4()
    with database.writing() as writer:
        admit(writer, GROUP, [old, young])
        writer.execute(
            text("UPDATE inbox SET handled_at = :at WHERE event_id = :id"),
            {"at": NOW - TERMS[Kept.INBOX] - timedelta(days=1), "id": old},
        )
    keep(database, bus)
    with database.writing() as writer:
        assert handled_before(writer, GROUP, [old, young]) == {young}


@pytest.mark.parametrize(
    ("table", "insert", "kept"),
    [
        (
            "request_once",
            "INSERT INTO request_once (subject, key, body_hash, at)"
            " SELECT 's', int4send(n), '', CAST(:at AS timestamptz) FROM generate_series(1, 20) n",
            Kept.REQUEST_KEYS,
        ),
        (
            "dead_letter",
            "INSERT INTO dead_letter (consumer, event_id, key, topic, partition, offset_, headers,"
            " value, reason, error, attempts, replayed_at)"
            " SELECT 'c', CAST(n AS text), 'k', 't', 0, :offset + n, '{}', '', 'r', 'e', 1,"
            " CAST(:at AS timestamptz) FROM generate_series(1, 20) n",
            Kept.HANDLED_LETTERS,
        ),
    ],
)
def test_what_is_past_its_term_is_forgotten(
    database: Database, bus: EmbeddedBus, table: str, insert: str, kept: Kept
) -> None:
    with database.writing() as writer:
        writer.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        for offset, extra in ((0, -1), (100, 1)):
            at = NOW - TERMS[kept] + timedelta(hours=extra)
            statement = text(insert.replace("int4send(n)", f"int4send(n + {offset})"))
            given = {"at": at, "offset": offset} if ":offset" in insert else {"at": at}
            writer.execute(statement, given)
    keep(database, bus)
    assert count(database, table) == 20


def test_a_letter_that_was_thrown_away_stays_on_record(
    database: Database, bus: EmbeddedBus
) -> None:
    with database.writing() as writer:
        writer.execute(
            text(
                "INSERT INTO dead_letter (consumer, event_id, key, topic, partition, offset_,"
                " headers, value, reason, error, attempts, replayed_at, discarded_by,"
                " discard_reason) VALUES ('c', 'e', 'k', 't', 0, 1, '{}', '', 'r', 'e', 1,"
                " '2020-01-01', '王工', '乱码')"
            )
        )
    keep(database, bus)
    assert count(database, "dead_letter") == 1


def read(bus: EmbeddedBus, topic: str, *, commit: bool = True) -> list[int]:
    consumer = bus.consumer(GROUP, [topic])
    try:
        found = []
        while batch := consumer.poll(0.3):
            found += [item.record.key for item in batch]
            if commit:
                consumer.commit(batch)
        return sorted(map(int, found))
    finally:
        consumer.close()


def age(log: psycopg.Connection[tuple[object, ...]], topic: str, days: int) -> None:
    log.execute(
        "UPDATE record SET published_at = published_at - make_interval(days => %s)"
        " WHERE topic = %s",
        (days, topic),
    )


def test_the_log_drops_whole_days_that_every_group_has_read(
    database: Database, bus: EmbeddedBus, log: psycopg.Connection[tuple[object, ...]]
) -> None:
    topic = new_topic(bus)
    keep(database, bus, NOW - timedelta(days=10))
    producer = bus.producer()
    producer.publish([record(topic, str(n), 1) for n in range(30)])
    age(log, topic, 10)
    old = day("record", NOW - timedelta(days=10))
    assert read(bus, topic, commit=False) == list(range(30))
    keep(database, bus)
    assert old in parts(log, "record")
    producer.publish([record(topic, str(n), 1) for n in range(30, 40)])
    producer.close()
    assert read(bus, topic) == list(range(40))
    keep(database, bus)
    assert old not in parts(log, "record")
    assert log.execute("SELECT count(*) FROM record WHERE topic = %s", (topic,)).fetchone() == (10,)


def test_records_that_lie_in_no_day_are_read_in_order_and_forgotten(
    database: Database, bus: EmbeddedBus, log: psycopg.Connection[tuple[object, ...]]
) -> None:
    topic = new_topic(bus)
    producer = bus.producer()
    producer.publish([record(topic, str(n), 1) for n in range(20)])
    age(log, topic, 300)
    producer.publish([record(topic, str(n), 1) for n in range(20, 40)])
    producer.close()
    assert read(bus, topic) == list(range(40))
    keep(database, bus)
    assert log.execute("SELECT count(*) FROM record WHERE topic = %s", (topic,)).fetchone() == (20,)


@pytest.fixture
def earlier(installation: Settings) -> Iterator[Callable[[str], EmbeddedBus]]:
    """A bus whose log is that of the release before, with records in it."""
    url = database_url(installation, "bus").set(database=f"t{uuid.uuid4().hex[:12]}_bus")
    admin = libpq(url.set(database="postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}"'.encode())

    def made(rows: str) -> EmbeddedBus:
        with psycopg.connect(libpq(url)) as connection:
            connection.execute(
                "CREATE TABLE record (topic text NOT NULL, partition integer NOT NULL,"
                " offset_ bigint NOT NULL, key text NOT NULL, headers jsonb NOT NULL,"
                " value bytea NOT NULL, published_at timestamptz NOT NULL DEFAULT now(),"
                " PRIMARY KEY (topic, partition, offset_))"
            )
            connection.execute(
                "CREATE TABLE topic_partition (topic text NOT NULL, partition integer NOT NULL,"
                " next_offset bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, partition))"
            )
            connection.execute("INSERT INTO topic_partition VALUES ('t', 0, 3)")
            connection.execute(rows.encode())
        bus = EmbeddedBus(libpq(url))
        bus.ensure_topics({"t": 1})
        bus.ensure_topics({"t": 1})
        return bus

    yield made
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)'.encode())


def test_the_log_of_the_release_before_is_taken_over(
    database: Database, earlier: Callable[[str], EmbeddedBus]
) -> None:
    bus = earlier(
        "INSERT INTO record (topic, partition, offset_, key, headers, value)"
        " SELECT 't', 0, n, n, '{}', '' FROM generate_series(0, 2) n"
    )
    keep(database, bus)
    producer = bus.producer()
    producer.publish([record("t", "3", 1)])
    producer.close()
    assert read(bus, "t") == [0, 1, 2, 3]
