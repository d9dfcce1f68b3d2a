"""Replay: parked messages are handled after all, by the handlers that could not before.

Whoever has mended the cause asks for it on the command line. A message goes through its
consumer's own handler and inbox, so a second replay has no second effect, and a running
consumer may go on meanwhile: it parks new messages of a key for as long as one waits.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from shared.consume import Subscription
from shared.database import Database, is_transient
from shared.envelope import CURRENT_TRACE, Malformed, parse
from shared.messaging import admit, mark_failed, mark_replayed, next_waiting, waiting

log = structlog.get_logger()


@dataclass(frozen=True)
class Failure:
    """A parked message that still cannot be handled; later ones of its key wait behind it."""

    consumer: str
    key: str
    event_id: str
    error: str


@dataclass(frozen=True)
class Report:
    """What a replay did: messages handled, keys that stopped, messages that still wait."""

    replayed: int
    failures: Sequence[Failure]
    waiting: int


def replay(
    database: Database,
    subscriptions: Iterable[Subscription],
    event_ids: Collection[str] | None,
    now: datetime,
) -> Report:
    """Handle what is parked for the keys of these events, or for all keys where None.

    A key's messages are handled from its oldest on, each in a transaction of its own, so
    none overtakes another; the first that fails again stops its key. Raises what is
    transient, such as a lost database: nothing is half done then, and it may be tried again.
    """
    handlers = {subscription.group: subscription for subscription in subscriptions}
    with database.reading() as reader:
        parked = waiting(reader)
        chosen = dict.fromkeys(
            (letter.consumer, letter.key)
            for letter in parked
            if event_ids is None or letter.event_id in event_ids
        )
    replayed = 0
    failures: list[Failure] = []
    for consumer, key in chosen:
        subscription = handlers.get(consumer)
        if subscription is None:
            failures.append(Failure(consumer, key, "", "no such consumer in this service"))
            continue
        done, failure = _replay_key(database, subscription, key, now)
        replayed += done
        if failure is not None:
            failures.append(failure)
    with database.reading() as reader:
        return Report(replayed, tuple(failures), len(waiting(reader)))


def _replay_key(
    database: Database, subscription: Subscription, key: str, now: datetime
) -> tuple[int, Failure | None]:
    replayed = 0
    while True:
        letter_id, event_id = 0, ""
        try:
            with database.writing() as writer:
                letter = next_waiting(writer, subscription.group, key)
                if letter is None:
                    return replayed, None
                letter_id, event_id = letter.id or 0, letter.event_id
                message = parse(letter.received())
                if message is not None and admit(writer, subscription.group, [message.id]):
                    CURRENT_TRACE.set(message.trace)
                    subscription.handler(writer, [message])
                mark_replayed(writer, letter, now)
        except Exception as error:
            if is_transient(error):
                raise
            sentence = str(error) if isinstance(error, Malformed) else type(error).__name__
            log.warning("replay_failed", consumer=subscription.group, key=key, error=sentence)
            with database.writing() as writer:
                mark_failed(writer, letter_id, sentence)
            return replayed, Failure(subscription.group, key, event_id, sentence)
        replayed += 1
