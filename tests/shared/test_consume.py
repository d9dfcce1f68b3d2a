"""The consumer: effects happen once, nothing overtakes, and what fails is parked, not lost."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from shared.bus import Bus, Received, Record
from shared.bus.kafka import KafkaBus
from shared.consume import ConsumerLoop, Handler, Patience, Subscription
from shared.database import Database, Writer
from shared.envelope import Message
from shared.events import DEADLETTER, DeadLetter, TicketUrged
from shared.messaging import emit, waiting
from shared.relay import Relay
from shared.settings import Settings
from tests.shared.urges import (
    bus_away,
    count,
    effects,
    event,
    keep,
    new_topic,
    publish,
    read_all,
    record,
    until,
)

HASTY = Patience(attempts=2, back_off=(0.05, 0.2), in_a_row=5)


def loop_of(
    bus: Bus, database: Database, topic: str, handler: Handler, patience: Patience = HASTY
) -> ConsumerLoop:
    subscription = Subscription(f"test.{topic}", (topic,), handler)
    return ConsumerLoop(subscription, bus, database, {}, lambda: None, patience)


@contextlib.contextmanager
def running(*loops: ConsumerLoop) -> Iterator[None]:
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for loop in loops:
            loop.join(timeout=10)
            assert not loop.is_alive()


def received(records: Sequence[Record]) -> list[Received]:
    return [Received(item, 0, offset) for offset, item in enumerate(records)]


def refuse(*refused: tuple[str, int]) -> Handler:
    """A handler that keeps what it gets, but cannot handle these tickets' reminders."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        for message in messages:
            assert isinstance(message.payload, TicketUrged)
            keep(writer, [message])
            if (message.key, message.payload.urges) in refused:
                raise LookupError(f"no unit for {message.payload.note}")

    return handle


def test_a_batch_is_one_transaction_of_effects_inbox_and_outbox(
    database: Database, bus: Bus
) -> None:
    topic, seen = new_topic(bus), list[int]()

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        seen.append(len(messages))
        keep(writer, messages)
        emit(writer, [event("answers", message.key, 1) for message in messages])

    batch = received([record(topic, "a", 1), record(topic, "b", 1), record(topic, "a", 2)])
    loop_of(bus, database, topic, handle).handle(batch)
    assert seen == [3]
    assert effects(database) == {"a": [1, 2], "b": [1]}
    assert (count(database, "inbox"), count(database, "outbox")) == (3, 3)


def test_a_redelivered_batch_has_no_second_effect(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    loop = loop_of(bus, database, topic, keep)
    batch = received([record(topic, "a", n) for n in (1, 2, 3)])
    loop.handle(batch[:2])
    loop.handle(batch)
    loop.handle(batch)
    assert effects(database) == {"a": [1, 2, 3]}


@effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=8), min_size=1, max_size=4))
def test_whatever_arrives_however_often_has_its_effect_once(
    database: Database, bus: Bus, batches: list[list[int]]
) -> None:
    topic, key = new_topic(bus), f"key-{uuid4().hex}"
    said = [record(topic, key, n) for n in range(6)]
    loop = loop_of(bus, database, topic, keep)
    for batch in batches:
        loop.handle(received([said[n] for n in batch]))
    in_order = dict.fromkeys(n for batch in batches for n in batch)
    assert effects(database)[key] == list(in_order)


def test_two_consumers_each_have_their_own_effect(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    batch = received([record(topic, "a", 1)])
    loop_of(bus, database, topic, keep).handle(batch)
    loop_of(bus, database, "another", keep).handle(batch)
    assert effects(database) == {"a": [1, 1]}


def test_a_lost_connection_rolls_back_and_the_batch_comes_again_in_order(
    database: Database, bus: Bus
) -> None:
    topic, cuts = new_topic(bus), [1, 1]

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        keep(writer, messages)
        if cuts:
            cuts.pop()
            writer.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    publish(bus, [record(topic, "a", n) for n in range(1, 6)])
    loop = loop_of(bus, database, topic, handle)
    with running(loop):
        until(lambda: count(database, "effect") >= 5)
        publish(bus, [record(topic, "a", 6)])
        until(lambda: count(database, "effect") >= 6)
    assert not cuts
    assert effects(database) == {"a": [1, 2, 3, 4, 5, 6]}
    assert count(database, "dead_letter") == 0
    assert bus.lag(loop.name, [topic]) == {topic: 0}


def test_a_poison_message_is_parked_and_published_while_the_rest_flows(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    publish(bus, [record(topic, key, 1) for key in ("a", "poison", "b", "c")])
    loop = loop_of(bus, database, topic, refuse(("poison", 1)))
    relay = Relay("intake", database, bus, {})
    relay.start()
    with running(loop):
        until(lambda: count(database, "effect") >= 3)
        until(lambda: bus.lag(loop.name, [topic]) == {topic: 0})
        letters = [
            DeadLetter.model_validate_json(item.record.value)
            for item in read_all(bus, DEADLETTER, 1)
        ]
    relay.stop()
    assert effects(database) == {"a": [1], "b": [1], "c": [1]}
    (letter,) = [letter for letter in letters if letter.topic == topic]
    assert (letter.key, letter.consumer) == ("poison", loop.name)
    assert (letter.reason, letter.error) == ("handler_failed", "LookupError")
    assert (letter.attempts, letter.event_type) == (2, "hotline.ticket.urged.v1")
    assert TicketUrged.model_validate_json(letter.original).number == "poison"


def test_later_messages_of_a_key_wait_behind_the_parked_one(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    loop = loop_of(bus, database, topic, refuse(("a", 2)))
    batch = received([record(topic, key, n) for n in (1, 2, 3) for key in ("a", "b")])
    loop.handle(batch)
    loop.handle(received([record(topic, "a", 4)])[:1])
    assert effects(database) == {"a": [1], "b": [1, 2, 3]}
    with database.reading() as reader:
        parked = [(letter.key, letter.reason) for letter in waiting(reader)]
    assert parked == [("a", "handler_failed"), ("a", "behind_parked"), ("a", "behind_parked")]


def test_a_redelivered_message_is_not_parked_twice_nor_once_if_it_was_handled(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    loop = loop_of(bus, database, topic, refuse(("a", 2)))
    batch = received([record(topic, "a", n) for n in (1, 2, 3)])
    loop.handle(batch)
    loop.handle(batch)
    assert effects(database) == {"a": [1]}
    assert (count(database, "dead_letter"), count(database, "outbox")) == (2, 2)


def test_a_consumer_that_can_handle_nothing_stops_and_loses_nothing(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)

    def broken(writer: Writer, messages: Sequence[Message]) -> None:
        raise LookupError

    publish(bus, [record(topic, f"key-{n}", 1) for n in range(20)])
    loop = loop_of(bus, database, topic, broken)
    loop.start()
    loop.join(timeout=20)
    assert not loop.is_alive()
    assert loop.gave_up == "5 messages in a row could not be handled"
    assert count(database, "dead_letter") == 5
    assert bus.lag(loop.name, [topic]) == {topic: 20}
    with running(loop_of(bus, database, topic, keep)):
        until(lambda: count(database, "effect") == 15)


def test_failures_with_successes_between_them_stop_nobody(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    loop = loop_of(bus, database, topic, refuse(*((f"bad-{n}", 1) for n in range(20))))
    names = [f"{kind}-{n}" for n in range(20) for kind in ("bad", "good")]
    loop.handle(received([record(topic, name, 1) for name in names]))
    assert (count(database, "dead_letter"), count(database, "effect")) == (20, 20)


def test_an_event_of_a_type_this_version_does_not_know_is_ignored(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    unknown = record(topic, "a", 1)
    newer = replace(unknown, headers={**unknown.headers, "ce_type": "hotline.ticket.sung.v9"})
    loop_of(bus, database, topic, keep).handle(received([newer, record(topic, "a", 2)]))
    assert effects(database) == {"a": [2]}
    assert count(database, "dead_letter") == 0


SECRET = "张三 13812345678 住在津南区"


@pytest.mark.parametrize(
    ("headers", "value", "error"),
    [
        ({"ce_id": None}, None, "header 'ce_id' is missing"),
        ({"ce_type": None}, None, "header 'ce_type' is missing"),
        ({"ce_id": SECRET}, None, "header ce_id or ce_time does not parse"),
        ({"ce_time": SECRET}, None, "header ce_id or ce_time does not parse"),
        ({}, SECRET, "payload does not fit hotline.ticket.urged.v1: payload"),
        ({}, f'{{"number": {{"text": "{SECRET}"}}}}', None),
        ({}, f'["{SECRET}"]', "payload does not fit hotline.ticket.urged.v1: payload"),
        ({}, "", "payload does not fit hotline.ticket.urged.v1: payload"),
    ],
)
def test_what_is_no_event_is_parked_without_quoting_it(
    database: Database,
    bus: Bus,
    headers: dict[str, str | None],
    value: str | None,
    error: str | None,
) -> None:
    topic = new_topic(bus)
    good = record(topic, "a", 1)
    changed = {**good.headers, **headers}
    bad = Record(
        topic,
        "a",
        good.value if value is None else value.encode(),
        {name: header for name, header in changed.items() if header is not None},
    )
    with capture_logs() as lines:
        loop_of(bus, database, topic, keep).handle(received([bad, record(topic, "b", 1)]))
    assert effects(database) == {"b": [1]}
    with database.reading() as reader:
        (letter,) = waiting(reader)
    assert letter.reason == "malformed"
    assert error is None or letter.error == error
    assert letter.received().record == bad
    assert not any(secret in letter.error + str(lines) for secret in SECRET.split())


def test_neither_the_letter_nor_the_log_quotes_a_handlers_error(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    with capture_logs() as lines:
        loop_of(bus, database, topic, refuse(("a", 1))).handle(
            received([record(topic, "a", 1, note=SECRET)])
        )
    with database.reading() as reader:
        (letter,) = waiting(reader)
    (line,) = [line for line in lines if line["event"] == "message_parked"]
    assert line["error"] == letter.error == "LookupError"
    assert "in handle" in line["where"]
    assert not any(secret in letter.error + str(lines) for secret in SECRET.split())


def test_a_letter_about_something_huge_can_still_be_sent(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    huge = replace(record(topic, "a", 1), value=b"\x00" * (2 << 20))
    loop_of(bus, database, topic, keep).handle(received([huge]))
    with database.reading() as reader:
        assert waiting(reader)[0].value == huge.value
        size = reader.execute(text("SELECT max(length(payload)) FROM outbox")).scalar_one()
    assert size < 2 << 20


@pytest.mark.parametrize("state", ["reading", "backing off", "without a bus"])
def test_a_consumer_stops_promptly(
    installation: Settings, database: Database, bus: Bus, state: str
) -> None:
    topic, reached = new_topic(bus), threading.Event()

    def fail(writer: Writer, messages: Sequence[Message]) -> None:
        reached.set()
        raise psycopg.OperationalError

    patient = Patience(back_off=(60.0, 60.0))
    loop = loop_of(bus, database, topic, fail, patient)
    with bus_away(installation) if state == "without a bus" else contextlib.nullcontext():
        loop.start()
        if state == "backing off":
            publish(bus, [record(topic, "a", 1)])
            assert reached.wait(10)
        else:
            time.sleep(0.3)
        started = time.monotonic()
        loop.stop()
        loop.join(timeout=10)
        assert time.monotonic() - started < 2.0
        assert not loop.is_alive()


def test_a_consumer_goes_on_when_the_bus_is_back(
    installation: Settings, database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    publish(bus, [record(topic, "a", 1)])
    with running(loop_of(bus, database, topic, keep)):
        until(lambda: count(database, "effect") == 1)
        with bus_away(installation):
            time.sleep(0.5)
        publish(bus, [record(topic, "a", 2)])
        until(lambda: count(database, "effect") == 2)
    assert effects(database) == {"a": [1, 2]}


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def either_bus(request: pytest.FixtureRequest, bus: Bus) -> Iterator[Bus]:
    if request.param == "embedded":
        yield bus
        return
    real = KafkaBus(request.getfixturevalue("kafka"))
    yield real
    real.close()


def test_members_that_come_and_go_have_each_effect_once_and_in_order(
    database: Database, either_bus: Bus
) -> None:
    topic = new_topic(either_bus)
    wanted = {f"key-{key}": list(range(60)) for key in range(6)}
    stays = loop_of(either_bus, database, topic, keep)
    with running(stays):
        for start in (0, 20, 40):
            with running(loop_of(either_bus, database, topic, keep)):
                for n in range(start, start + 20):
                    publish(either_bus, [record(topic, key, n) for key in wanted])
        until(lambda: count(database, "effect") >= 360)
        until(lambda: either_bus.lag(stays.name, [topic]) == {topic: 0})
    assert effects(database) == wanted
