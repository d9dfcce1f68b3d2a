"""The relay carries events from a service's outbox to the bus, in order per key.

It takes the rows that are still there, by id, never those past a remembered id: ids are
given before transactions commit, so a smaller id may appear later. Of several processes
of a service one relays at a time, held by an advisory lock on its connection.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.bus import Bus, BusUnavailable, Producer, Record
from shared.database import Database
from shared.envelope import headers_of
from shared.metrics import BUS_UP, RELAYED

BATCH: Final = 500
IDLE_SECONDS: Final = (0.02, 0.2)
"""How long to wait for a wake-up when the outbox is empty: right after work, and later."""
GATHER_SECONDS: Final = 0.03
"""How long events gather after a batch: the first is sent at once, but a batch costs two
transactions however small it is, and under load they would leave no time for anything else."""
RETRY_SECONDS: Final = (0.1, 5.0)
ELECTION_SECONDS: Final = 1.0
NOTICE_DEATH: Final = text(
    "SELECT set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
"""Lets the server free the lock within seconds when the machine that relayed is gone."""
ELECT: Final = text("SELECT pg_try_advisory_lock(hashtext('hotline.relay'))")
MAY_PUBLISH: Final = "SELECT pg_try_advisory_xact_lock_shared(hashtext('hotline.relay.pause'))"
"""Held by a relay while it publishes; nothing is published while somebody holds it alone."""
OLDEST: Final = text(
    "SELECT id, event_id, topic, key, type, time, trace, payload FROM outbox"  # noqa: S608
    f" WHERE ({MAY_PUBLISH}) ORDER BY id LIMIT :batch"
)
PAUSE: Final = text("SELECT pg_advisory_lock(hashtext('hotline.relay.pause'))")
PAUSE_PATIENCE: Final = text("SET lock_timeout = '60s'")
END_ELECTED: Final = text("""
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = hashtext('hotline.relay')::bigint
""")

log = structlog.get_logger()


class Relay(threading.Thread):
    """One thread of one service. `wake` saves it the wait after a commit in this process."""

    def __init__(
        self, service: str, database: Database, bus: Bus, topics: Mapping[str, int]
    ) -> None:
        super().__init__(name=f"{service}-relay", daemon=True)
        self._bus = bus
        self._topics = topics
        self._service = service
        self._database = database
        self._producer: Producer = bus.producer()
        self._pause = RETRY_SECONDS[0]
        self._woken = threading.Event()
        self._stopping = threading.Event()

    def wake(self) -> None:
        """Say that something was committed to the outbox."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the batch in hand and end; what is left stays in the outbox."""
        self._stopping.set()
        self._woken.set()
        self.join(timeout=10)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._bus.ensure_topics(self._topics)
                with self._database.engine.connect() as connection:
                    self._relay_while_elected(connection)
            except (BusUnavailable, DBAPIError) as error:
                BUS_UP.labels(self._service).set(not isinstance(error, BusUnavailable))
                reason = str(error).split("\n")[0]
                log.warning(
                    "relay_waits", service=self._service, error=reason, retry_in=self._pause
                )
                self._wait_longer()
            except Exception:
                # Whatever it is, the events stay in the outbox, and giving up would help nobody.
                log.exception("relay_failed", service=self._service, retry_in=self._pause)
                self._wait_longer()
        self._producer.close()

    def _wait_longer(self) -> None:
        self._stopping.wait(self._pause)
        self._pause = min(self._pause * 2, RETRY_SECONDS[1])

    def _relay_while_elected(self, connection: Connection) -> None:
        connection.execute(NOTICE_DEATH)
        connection.commit()
        try:
            while not connection.execute(ELECT).scalar():
                connection.rollback()
                if self._stopping.wait(ELECTION_SECONDS):
                    return
            connection.commit()
            # Topics may have gained partitions since: a new producer places keys by the new number.
            self._producer.close()
            self._relay(connection)
        finally:
            connection.invalidate()

    def _relay(self, connection: Connection) -> None:
        idle = IDLE_SECONDS[0]
        while not self._stopping.is_set():
            self._woken.clear()
            rows = self.relay_once(connection)
            if rows:
                idle = IDLE_SECONDS[0]
                if rows < BATCH:
                    self._stopping.wait(GATHER_SECONDS)
            else:
                self._woken.wait(idle)
                idle = min(idle * 1.5, IDLE_SECONDS[1])
            self._pause = RETRY_SECONDS[0]

    def relay_once(self, connection: Connection) -> int:
        """Publish the oldest events and delete those the bus took; how many rows were read.

        Raises BusUnavailable where some were not taken: they stay, and so do later ones of
        their keys.
        """
        rows = connection.execute(OLDEST, {"batch": BATCH}).all()
        if not rows:
            connection.commit()
            return 0
        taken = self._producer.publish([self._record(row) for row in rows])
        held: set[str] = set()
        sent: list[int] = []
        for row, ok in zip(rows, taken, strict=True):
            if ok and row.key not in held:
                sent.append(row.id)
                RELAYED.labels(self._service, row.topic).inc()
            else:
                held.add(row.key)
        connection.execute(text("DELETE FROM outbox WHERE id = ANY(:ids)"), {"ids": sent})
        connection.commit()
        if held:
            raise BusUnavailable(f"{len(rows) - len(sent)} of {len(rows)} events were not taken")
        BUS_UP.labels(self._service).set(1)
        return len(rows)

    def _record(self, row: Any) -> Record:
        headers = headers_of(row.event_id, row.type, self._service, row.key, row.time, row.trace)
        return Record(row.topic, row.key, bytes(row.payload), headers)


@contextlib.contextmanager
def relay_paused(database: Database) -> Iterator[Connection]:
    """Let a service publish nothing during the block, whichever process relays for it.

    Begins when the batch in hand is done. At its end the relay is elected anew, with a producer
    that knows the topics as they are then. Should this process die, the relay simply goes on;
    whoever has to be sure that it does not uses the connection, which is dead then.
    """
    with database.engine.connect() as connection:
        try:
            connection.execute(NOTICE_DEATH)
            connection.execute(PAUSE_PATIENCE)
            connection.execute(PAUSE)
            connection.commit()
            try:
                yield connection
            finally:
                connection.execute(END_ELECTED)
                connection.commit()
        finally:
            connection.invalidate()
