"""The loop of a consumer group: one transaction per batch, and nothing lost or silent.

A batch is handled in one transaction together with its inbox rows and its outbox rows,
then committed on the bus. When it fails for a reason that may pass, it is rolled back,
rewound and tried again without overtaking. When it fails otherwise, its messages are
handled one by one; a message that still fails is parked as a dead letter, and later
messages of its key wait behind it.
"""

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from shared.bus import READ_BY, Bus, BusUnavailable, Consumer, PartitionLost, Received
from shared.database import Database, Writer, is_transient
from shared.envelope import CURRENT_TRACE, Malformed, Message, parse
from shared.messaging import admit, handled_before, park, parked_keys
from shared.metrics import CONSUMER_RUNNING, DEAD_LETTERS, HANDLE_SECONDS, HANDLED, RETRIES

Handler = Callable[[Writer, Sequence[Message]], None]
"""Applies messages in a transaction; raising rolls all of it back."""

POLL_SECONDS: Final = 0.5
IDLE_SECONDS: Final = 0.25
"""How long a consumer that waits takes to see that it should stop."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Patience:
    """When a consumer tries again, when it parks a message, and when it gives up.

    `attempts` are tries of one message before it is parked; `back_off` is the first and the
    longest wait in seconds after a transient failure; a consumer that has parked
    `in_a_row` messages and handled none between them stops: the fault is not theirs.
    """

    attempts: int = 3
    back_off: tuple[float, float] = (0.2, 10.0)
    in_a_row: int = 50


class Stopped(Exception):
    """The consumer has parked too many messages in a row."""


@dataclass(frozen=True)
class Subscription:
    """A consumer group: its name, what it reads, and what it does with it.

    Of its topics it handles the event types in `types`, all of them where that is empty;
    the others cost no transaction.
    """

    group: str
    topics: tuple[str, ...]
    handler: Handler
    types: frozenset[str] = frozenset()

    def wants(self, item: Received) -> bool:
        """Whether the group has anything to do with a record; a record of no type is malformed."""
        headers = item.record.headers
        if self.group in headers.get(READ_BY, "").split(","):
            return False
        type_ = headers.get("ce_type")
        return not self.types or type_ is None or type_ in self.types


class ConsumerLoop(threading.Thread):
    """One member of one consumer group, on a thread of its own."""

    def __init__(
        self,
        subscription: Subscription,
        bus: Bus,
        database: Database,
        topics: Mapping[str, int],
        committed: Callable[[], None],
        patience: Patience = Patience(),
    ) -> None:
        super().__init__(name=subscription.group, daemon=True)
        self._subscription = subscription
        self._bus = bus
        self._database = database
        self._topics = topics
        self._committed = committed
        self._patience = patience
        self._stopping = threading.Event()
        self._parked_in_a_row = 0
        self.gave_up: str | None = None
        """Why the consumer stopped by itself; a person must look."""

    def stop(self) -> None:
        """Finish the batch in hand, leave the group and end."""
        self._stopping.set()

    def run(self) -> None:
        group = self._subscription.group
        pause = self._patience.back_off[0]
        while not self._stopping.is_set():
            try:
                self._bus.ensure_topics(self._topics)
                consumer = self._bus.consumer(group, self._subscription.topics)
            except BusUnavailable as error:
                log.warning("consumer_waits", consumer=group, error=str(error), retry_in=pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, self._patience.back_off[1])
                continue
            pause = self._patience.back_off[0]
            CONSUMER_RUNNING.labels(group).set(1)
            try:
                self._consume(consumer)
            except BusUnavailable as error:
                log.warning("consumer_lost_bus", consumer=group, error=str(error))
                self._stopping.wait(pause)
            except Stopped as error:
                self.gave_up = str(error)
                log.error("consumer_stopped", consumer=group, reason=self.gave_up)
                return
            except Exception:
                self.gave_up = "unexpected error"
                log.exception("consumer_died", consumer=group)
                return
            finally:
                CONSUMER_RUNNING.labels(group).set(0)
                consumer.close()

    def _consume(self, consumer: Consumer) -> None:
        pause = self._patience.back_off[0]
        while not self._stopping.is_set():
            batch = consumer.poll(POLL_SECONDS)
            if not batch:
                continue
            try:
                self.handle(batch)
            except Exception as error:
                if not is_transient(error):
                    raise
                RETRIES.labels(self._subscription.group).inc()
                log.warning(
                    "batch_rolled_back", consumer=self.name, error=str(error).split("\n")[0]
                )
                consumer.rewind(batch)
                self._idle(consumer, pause)
                pause = min(pause * 2, self._patience.back_off[1])
                continue
            pause = self._patience.back_off[0]
            try:
                consumer.commit(batch)
            except PartitionLost as error:
                log.info("partition_lost", consumer=self.name, reason=str(error))

    def _idle(self, consumer: Consumer, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := deadline - time.monotonic()) > 0:
            consumer.idle(min(left, IDLE_SECONDS))

    def handle(self, batch: Sequence[Received]) -> None:
        """Store the effects of a batch once; a repeated batch changes nothing.

        Raises what is transient, and Stopped.
        """
        batch = [item for item in batch if self._subscription.wants(item)]
        if not batch:
            return
        with HANDLE_SECONDS.labels(self._subscription.group).time():
            try:
                with self._database.writing() as writer:
                    handled = self._apply(writer, batch)
                if handled:
                    self._parked_in_a_row = 0
            except Exception as error:
                if is_transient(error):
                    raise
                for item in batch:
                    self._try(item)
        self._committed()

    def _apply(self, writer: Writer, batch: Sequence[Received]) -> int:
        group = self._subscription.group
        blocked = parked_keys(writer, group, (item.record.key for item in batch))
        parsed: dict[UUID, tuple[Received, Message]] = {}
        for item in batch:
            if (message := parse(item)) is not None:
                # A relay that died between publishing and deleting has said it twice.
                parsed.setdefault(message.id, (item, message))
        behind = [each for each in parsed.values() if each[1].key in blocked]
        if behind:
            known = handled_before(writer, group, [message.id for _, message in behind])
            for item, message in behind:
                if message.id not in known:
                    self._park(
                        writer, item, "behind_parked", "an earlier event of this key is parked"
                    )
        messages = [message for _, message in parsed.values() if message.key not in blocked]
        fresh = admit(writer, group, [message.id for message in messages])
        todo = [message for message in messages if message.id in fresh]
        if todo:
            CURRENT_TRACE.set(todo[0].trace if len(todo) == 1 else None)
            self._subscription.handler(writer, todo)
            for message in todo:
                HANDLED.labels(group, message.type).inc()
        return len(todo)

    def _try(self, item: Received) -> None:
        """Handle one message of a batch that failed as a whole, or park it."""
        for attempt in range(1, self._patience.attempts + 1):
            try:
                with self._database.writing() as writer:
                    handled = self._apply(writer, [item])
            except Malformed as error:
                return self._give_up_on(item, "malformed", error, attempt)
            except Exception as error:
                if is_transient(error):
                    raise
                if attempt == self._patience.attempts:
                    return self._give_up_on(item, "handler_failed", error, attempt)
            else:
                if handled:
                    self._parked_in_a_row = 0
                return None
        raise AssertionError("no attempt was made")

    def _give_up_on(self, item: Received, reason: str, error: Exception, attempts: int) -> None:
        # An error's sentence may quote the ticket, so only ours, and where it was raised, is told.
        sentence = str(error) if isinstance(error, Malformed) else type(error).__name__
        log.error(
            "message_parked",
            consumer=self.name,
            key=item.record.key,
            reason=reason,
            error=sentence,
            where="".join(traceback.format_tb(error.__traceback__)[-3:]),
        )
        with self._database.writing() as writer:
            self._park(writer, item, reason, sentence, attempts)
        self._parked_in_a_row += 1
        if self._parked_in_a_row >= self._patience.in_a_row:
            raise Stopped(f"{self._parked_in_a_row} messages in a row could not be handled")

    def _park(
        self, writer: Writer, item: Received, reason: str, error: str, attempts: int = 0
    ) -> None:
        parked = park(
            writer,
            self._subscription.group,
            item,
            reason=reason,
            error=error,
            attempts=attempts,
            now=datetime.now(UTC),
        )
        if parked:
            DEAD_LETTERS.labels(self._subscription.group, reason).inc()
