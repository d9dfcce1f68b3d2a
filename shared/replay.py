"""What becomes of parked messages: replayed by the handlers that could not before, or discarded.

Whoever has mended the cause asks for it on the command line. A message goes through its
consumer's own handler and inbox, so a second replay has no second effect, and a running
consumer may go on meanwhile: it parks new messages of a key for as long as one waits.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from shared.consume import Subscription
from shared.database import Database, is_transient
from shared.envelope import CURRENT_TRACE, Malformed, parse
from shared.messaging import (
    admit,
    discard,
    letters_named,
    mark_failed,
    mark_replayed,
    next_waiting,
    waiting,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Failure:
    """A parked message that still cannot be handled; later ones of its key wait behind it."""

    consumer: str
    key: str
    letter: str
    error: str


@dataclass(frozen=True)
class Report:
    """What was done: messages handled, keys that stopped, what still waits, what was discarded."""

    replayed: int
    failures: Sequence[Failure]
    waiting: int
    discarded: int = 0


def replay(
    database: Database,
    subscriptions: Iterable[Subscription],
    names: Collection[str] | None,
    now: datetime,
) -> Report:
    """Handle what is parked for the keys of these letters, or for all keys where None.

    A key's messages are handled from its oldest on, each in a transaction of its own, so
    none overtakes another; the first that fails again stops its key. Raises what is
    transient, such as a lost database: nothing is half done then, and it may be tried again.
    """
    with database.reading() as reader:
        parked = waiting(reader)
        chosen = dict.fromkeys(
            (letter.consumer, letter.key)
            for letter in parked
            if names is None or not letter.names.isdisjoint(names)
        )
    return _replay(database, subscriptions, chosen, now)


def throw_away(
    database: Database,
    subscriptions: Iterable[Subscription],
    names: Collection[str],
    by: str,
    reason: str,
    now: datetime,
) -> Report:
    """Discard these letters, as `by` says for a `reason`, and handle what waited behind them.

    A letter that waits no more stays as it is.
    """
    gone = []
    with database.writing() as writer:
        for letter in letters_named(writer, names):
            if discard(writer, letter, by, reason, now):
                gone.append(letter)
                log.warning(
                    "letter_discarded",
                    consumer=letter.consumer,
                    key=letter.key,
                    letter=letter.name,
                    by=by,
                    reason=reason,
                )
    with database.reading() as reader:
        behind = {(letter.consumer, letter.key) for letter in waiting(reader)}
    freed = dict.fromkeys((letter.consumer, letter.key) for letter in gone)
    report = _replay(database, subscriptions, [one for one in freed if one in behind], now)
    return replace(report, discarded=len(gone))


def _replay(
    database: Database,
    subscriptions: Iterable[Subscription],
    chosen: Iterable[tuple[str, str]],
    now: datetime,
) -> Report:
    handlers = {subscription.group: subscription for subscription in subscriptions}
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
        letter_id, name = 0, ""
        try:
            with database.writing() as writer:
                letter = next_waiting(writer, subscription.group, key)
                if letter is None:
                    return replayed, None
                letter_id, name = letter.id or 0, letter.name
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
            return replayed, Failure(subscription.group, key, name, sentence)
        replayed += 1
