"""The embedded bus: an append-only log in PostgreSQL with partitions and consumer groups.

Appending locks the partition's counter row until commit, so offsets are gapless and
become visible in order: a reader that has seen offset n has seen everything before it.
A member of a group proves that it lives by an advisory lock held by its connection;
when the connection is gone the others see it at their next rebalance.
"""

import contextlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from shared.bus import BusUnavailable, PartitionLost, Received, Record
from shared.days import ByDay, by_time, drop_days, make_days

REBALANCE_SECONDS: Final = 1.0
MAX_POLL_RECORDS: Final = 500
GATHER_SECONDS: Final = 0.03
"""How long records gather after a small batch: the first is delivered at once, but handling a
batch costs a transaction however small it is."""
MEMBER_LOCK: Final = 0x686F
"""First half of the two-part advisory lock by which a member proves that it lives."""

NOTICE_DEATH: Final = """
    SELECT set_config('tcp_keepalives_idle', '5', false),
           set_config('tcp_keepalives_interval', '2', false),
           set_config('tcp_keepalives_count', '3', false)
"""
"""Lets the server notice within seconds that a client's machine is gone, and free its locks."""

RECORDS: Final = ByDay("record", by_time)
SAFE: Final = """
    SELECT t.topic, t.partition, min(coalesce(g.committed, t.next_offset)) AS safe
    FROM topic_partition t LEFT JOIN group_partition g USING (topic, partition)
    GROUP BY t.topic, t.partition
"""
"""Up to where every group has committed."""
FORGET: Final = f"""
    DELETE FROM record_rest WHERE ctid = ANY(ARRAY(
        SELECT r.ctid FROM record_rest r JOIN ({SAFE}) done USING (topic, partition)
        WHERE r.offset_ < done.safe AND r.published_at < %s LIMIT %s))
""".encode()  # noqa: S608 constants of our own
FORGOTTEN_AT_ONCE: Final = 5000
OUT_OF_ORDER: Final = timedelta(hours=1)
"""A record's time is that at which its transaction began, which may have waited for another: so
much earlier than the one before it may it be."""

Connection = psycopg.Connection[TupleRow]
Partition = tuple[str, int]


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: the same on every machine and in every version."""
    return zlib.crc32(key.encode()) % partitions


def channel_of(topic: str) -> str:
    """Where a topic's readers are woken; short, as PostgreSQL limits the length of a name."""
    return f"bus_{zlib.crc32(topic.encode()):08x}"


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        # Its tables are made by whoever of the services comes first.
        raise BusUnavailable(str(error)) from error


class EmbeddedBus:
    """The bus in the database at `dsn`; `ensure_topics` makes its tables as well."""

    name = "embedded"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def _connect(self) -> Connection:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=2,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        with _reachable(), self._connect() as connection, connection.transaction():
            cursor = connection.cursor()
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('hotline.bus'))")
            cursor.execute(Path(__file__).with_name("embedded.sql").read_bytes())
            moved = cursor.execute("SELECT to_bus FROM moved").fetchone()
            if moved is not None:
                # What was said here now would never be heard there.
                raise BusUnavailable(f"this bus has been moved to {moved[0]}: set HOTLINE_KAFKA")
            known = {row[0] for row in cursor.execute("SELECT DISTINCT topic FROM topic_partition")}
            cursor.executemany(
                "INSERT INTO topic_partition VALUES (%s, %s)",
                [
                    (topic, partition)
                    for topic, count in topics.items()
                    if topic not in known
                    for partition in range(count)
                ],
            )

    def producer(self) -> "EmbeddedProducer":
        return EmbeddedProducer(self._connect)

    def consumer(self, group: str, topics: Sequence[str]) -> "EmbeddedConsumer":
        with _reachable():
            connection = self._connect()
            try:
                return EmbeddedConsumer(connection, group, topics)
            except BaseException:
                connection.close()
                raise

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        with _reachable(), self._connect() as connection:
            rows = connection.execute(
                """
                SELECT t.topic, sum(t.next_offset - coalesce(g.committed, 0))::bigint
                FROM topic_partition t
                LEFT JOIN group_partition g
                  ON g.topic = t.topic AND g.partition = t.partition AND g.group_name = %s
                WHERE t.topic = ANY(%s)
                GROUP BY t.topic
                """,
                (group, list(topics)),
            )
            return dict(rows.fetchall())

    def prune(self, now: datetime, kept: timedelta) -> None:
        """Make the coming days' parts of the log, and drop what is past keeping.

        What some group has not committed yet stays.
        """
        self.ensure_topics({})
        with _reachable(), self._connect() as connection:
            make_days(connection, RECORDS, now.date())
            last = (now - kept).date()
            drop_days(connection, RECORDS, last, lambda name: _is_spent(connection, name))
            while connection.execute(FORGET, (now - kept, FORGOTTEN_AT_ONCE)).rowcount:
                pass

    def answers(self) -> bool:
        try:
            with self._connect() as connection:
                query = "SELECT NOT EXISTS (SELECT FROM moved)"
                return connection.execute(query).fetchone() == (True,)
        except psycopg.errors.UndefinedTable:
            return True  # nobody has used it yet
        except psycopg.OperationalError:
            return False

    def close(self) -> None:
        """Nothing is held between calls."""


def _is_spent(connection: Connection, part: str) -> bool:
    """Whether every group has committed all records of a part of the log."""
    query = sql.SQL(
        "SELECT NOT EXISTS (SELECT FROM {part} r JOIN ({safe}) done USING (topic, partition)"
        " WHERE r.offset_ >= done.safe)"
    ).format(part=sql.Identifier(part), safe=sql.SQL(SAFE))
    return connection.execute(query).fetchone() == (True,)


class EmbeddedProducer:
    """Appends a batch in one transaction."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._partitions: dict[str, int] = {}
        self._lock = threading.Lock()

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        if not records:
            return ()
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connect()
                self._learn_partitions(self._connection, {record.topic for record in records})
                taken = [record.topic in self._partitions for record in records]
                if not any(taken):
                    raise BusUnavailable(f"no such topic: {records[0].topic}")
                self._append(
                    self._connection, [r for r, ok in zip(records, taken, strict=True) if ok]
                )
            except psycopg.OperationalError as error:
                self._close()
                raise BusUnavailable(str(error)) from error
            return taken

    def _append(self, connection: Connection, records: Sequence[Record]) -> None:
        placed: dict[Partition, list[Record]] = {}
        for record in records:
            partition = partition_of(record.key, self._partitions[record.topic])
            placed.setdefault((record.topic, partition), []).append(record)
        targets = sorted(placed)
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(
                """
                WITH wanted AS (
                    SELECT t.topic, t.partition, w.records
                    FROM topic_partition t
                    JOIN unnest(%s::text[], %s::int[], %s::int[]) AS w (topic, partition, records)
                      USING (topic, partition)
                    ORDER BY t.topic, t.partition
                    FOR UPDATE OF t
                )
                UPDATE topic_partition t SET next_offset = t.next_offset + wanted.records
                FROM wanted WHERE t.topic = wanted.topic AND t.partition = wanted.partition
                RETURNING t.topic, t.partition, t.next_offset - wanted.records
                """,
                (
                    [topic for topic, _ in targets],
                    [partition for _, partition in targets],
                    [len(placed[target]) for target in targets],
                ),
            )
            first = {(topic, partition): offset for topic, partition, offset in cursor}
            with cursor.copy(
                "COPY record (topic, partition, offset_, key, headers, value) FROM STDIN"
            ) as sink:
                for target in targets:
                    for offset, record in enumerate(placed[target], first[target]):
                        sink.write_row(
                            (*target, offset, record.key, Jsonb(dict(record.headers)), record.value)
                        )
            cursor.execute(
                "SELECT pg_notify(channel, '') FROM unnest(%s::text[]) AS channel",
                (sorted({channel_of(topic) for topic, _ in targets}),),
            )

    def _learn_partitions(self, connection: Connection, topics: set[str]) -> None:
        unknown = topics - self._partitions.keys()
        if unknown:
            rows = connection.execute(
                "SELECT topic, count(*) FROM topic_partition WHERE topic = ANY(%s) GROUP BY topic",
                (list(unknown),),
            )
            self._partitions.update(dict(rows.fetchall()))

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class EmbeddedConsumer:
    """A member of a group; reads the partitions it owns, woken by notifications."""

    def __init__(self, connection: Connection, group: str, topics: Sequence[str]) -> None:
        self._connection = connection
        self._group = group
        self._topics = list(topics)
        self._positions: dict[Partition, int] = {}
        self._since: dict[Partition, datetime] = {}
        self._next_rebalance = 0.0
        self._gathered_at = 0.0
        connection.execute(NOTICE_DEATH)
        row = connection.execute("SELECT nextval('member_number')").fetchone()
        assert row is not None
        self._member: int = row[0]
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (MEMBER_LOCK, self._member))
        connection.execute(
            "INSERT INTO group_member VALUES (%s, %s, %s)", (group, self._member, self._topics)
        )
        for topic in self._topics:
            connection.execute(f"LISTEN {channel_of(topic)}".encode())

    def poll(self, timeout: float) -> Sequence[Received]:
        deadline = time.monotonic() + timeout
        with _reachable():
            time.sleep(max(0.0, min(deadline, self._gathered_at) - time.monotonic()))
            while True:
                self._rebalance_when_due()
                records = self._fetch()
                left = deadline - time.monotonic()
                if records or left <= 0:
                    few = 0 < len(records) < MAX_POLL_RECORDS // 2
                    self._gathered_at = time.monotonic() + GATHER_SECONDS if few else 0.0
                    return records
                wait = min(left, max(0.0, self._next_rebalance - time.monotonic()))
                for _ in self._connection.notifies(timeout=wait, stop_after=1):
                    pass

    def _fetch(self) -> list[Received]:
        if not self._positions:
            return []
        keys = sorted(self._positions)
        rows = self._connection.execute(
            """
            SELECT r.topic, r.partition, r.offset_, r.key, r.headers, r.value, r.published_at
            FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::timestamptz[])
                AS p (topic, partition, position, since)
            CROSS JOIN LATERAL (
                SELECT * FROM record
                WHERE topic = p.topic AND partition = p.partition AND offset_ >= p.position
                    AND published_at >= coalesce(p.since, '-infinity')
                ORDER BY offset_ LIMIT %s
            ) r
            LIMIT %s
            """,
            (
                [topic for topic, _ in keys],
                [partition for _, partition in keys],
                [self._positions[key] for key in keys],
                [self._since.get(key) for key in keys],
                max(1, MAX_POLL_RECORDS // len(keys)),
                MAX_POLL_RECORDS,
            ),
            binary=True,
        )
        received = []
        for topic, partition, offset, key, headers, value, published_at in rows:
            received.append(Received(Record(topic, key, value, headers), partition, offset))
            self._positions[topic, partition] = offset + 1
            self._since[topic, partition] = published_at - OUT_OF_ORDER
        return received

    def commit(self, records: Sequence[Received]) -> None:
        done: dict[Partition, int] = {}
        for item in records:
            place = (item.record.topic, item.partition)
            done[place] = max(done.get(place, 0), item.offset + 1)
        with _reachable():
            updated = self._connection.execute(
                """
                UPDATE group_partition g SET committed = greatest(g.committed, d.committed)
                FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS d (topic, partition, committed)
                WHERE g.group_name = %s AND g.owner = %s
                  AND g.topic = d.topic AND g.partition = d.partition
                """,
                (
                    [topic for topic, _ in done],
                    [partition for _, partition in done],
                    list(done.values()),
                    self._group,
                    self._member,
                ),
            ).rowcount
        if updated != len(done):
            self._next_rebalance = 0.0
            raise PartitionLost(f"{len(done) - updated} of {len(done)} partitions have a new owner")

    def rewind(self, records: Sequence[Received]) -> None:
        for item in records:
            place = (item.record.topic, item.partition)
            if place in self._positions:
                self._positions[place] = min(self._positions[place], item.offset)
                self._since.pop(place, None)

    def idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with _reachable():
                self._rebalance_when_due()
            time.sleep(min(left, REBALANCE_SECONDS))

    def _rebalance_when_due(self) -> None:
        if time.monotonic() < self._next_rebalance:
            return
        with self._connection.transaction():
            self._rebalance()
        self._next_rebalance = time.monotonic() + REBALANCE_SECONDS

    def _rebalance(self) -> None:
        """Take free partitions up to a fair share, and give up what is more than that."""
        execute = self._connection.execute
        execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"hotline.group.{self._group}",))
        execute(
            """
            INSERT INTO group_partition (group_name, topic, partition)
            SELECT %s, topic, partition FROM topic_partition WHERE topic = ANY(%s)
            ON CONFLICT DO NOTHING
            """,
            (self._group, self._topics),
        )
        members = execute(
            "SELECT member, topics FROM group_member WHERE group_name = %s ORDER BY member",
            (self._group,),
        ).fetchall()
        alive = [member for member, _ in members if self._lives(member)]
        readers = [m for m, topics in members if m in alive and set(topics) & set(self._topics)]
        rows = execute(
            """
            SELECT topic, partition, committed, owner FROM group_partition
            WHERE group_name = %s AND topic = ANY(%s) ORDER BY topic, partition
            """,
            (self._group, self._topics),
        ).fetchall()
        share, more = divmod(len(rows), len(readers))
        allowed = share + (readers.index(self._member) < more)
        mine = [row for row in rows if row[3] == self._member]
        free = [row for row in rows if row[3] not in alive]
        keep = (mine + free)[:allowed]
        self._own([(topic, partition) for topic, partition, _, _ in mine[allowed:]], None)
        self._own([(topic, partition) for topic, partition, _, _ in keep], self._member)
        kept: dict[Partition, int] = {(row[0], row[1]): row[2] for row in keep}
        before = self._positions
        self._positions = {place: before.get(place, start) for place, start in kept.items()}
        self._since = {place: at for place, at in self._since.items() if place in before}

    def _own(self, places: Sequence[Partition], owner: int | None) -> None:
        self._connection.execute(
            """
            UPDATE group_partition g SET owner = %s
            FROM unnest(%s::text[], %s::int[]) AS p (topic, partition)
            WHERE g.group_name = %s AND g.topic = p.topic AND g.partition = p.partition
              AND g.owner IS DISTINCT FROM %s
            """,
            (
                owner,
                [topic for topic, _ in places],
                [partition for _, partition in places],
                self._group,
                owner,
            ),
        )

    def _lives(self, member: int) -> bool:
        if member == self._member:
            return True
        row = self._connection.execute(
            "SELECT pg_try_advisory_xact_lock(%s, %s)", (MEMBER_LOCK, member)
        ).fetchone()
        if row == (False,):
            return True
        self._connection.execute(
            "DELETE FROM group_member WHERE group_name = %s AND member = %s",
            (self._group, member),
        )
        return False

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.execute(
                "DELETE FROM group_member WHERE group_name = %s AND member = %s",
                (self._group, self._member),
            )
            self._own(list(self._positions), None)
        self._connection.close()
