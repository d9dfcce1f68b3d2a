"""Replay: what was parked is handled after all, once, and in order for each key."""

from collections.abc import Callable, Sequence

import psycopg
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from typer.testing import CliRunner

import shared.service
from shared.bus import Bus, Received, Record
from shared.consume import ConsumerLoop, Handler, Patience, Subscription
from shared.database import Database, Writer
from shared.envelope import Message
from shared.events import TICKET_URGED, TicketUrged
from shared.messaging import backlog, discarded, waiting
from shared.replay import Failure, Report, replay, throw_away
from shared.service import Parts, Service, command_line
from shared.settings import Settings
from tests.shared.urges import NOON, count, effects, keep, record

GROUP = "test.replay"
TOPIC = "t"


class Mended:
    """A handler that cannot handle some reminders until it is mended."""

    def __init__(self, *broken: tuple[str, int]) -> None:
        self.broken = set(broken)

    def __call__(self, writer: Writer, messages: Sequence[Message]) -> None:
        for message in messages:
            keep(writer, [message])
            assert isinstance(message.payload, TicketUrged)
            if (message.key, message.payload.urges) in self.broken:
                raise LookupError("张三")


def consumer(database: Database, bus: Bus, handler: Handler) -> ConsumerLoop:
    subscription = Subscription(GROUP, (TOPIC,), handler)
    return ConsumerLoop(subscription, bus, database, {}, lambda: None, Patience(attempts=1))


def received(records: Sequence[Record], first: int = 0) -> list[Received]:
    return [Received(item, 0, offset) for offset, item in enumerate(records, first)]


def id_of(item: Record) -> str:
    return item.headers["ce_id"]


@pytest.fixture
def parked(database: Database, bus: Bus) -> tuple[Mended, list[Record]]:
    """a:2 and b:1 cannot be handled; a:3, b:2 and b:3 wait behind them; c is well."""
    handler = Mended(("a", 2), ("b", 1))
    records = [record(TOPIC, key, n) for n in (1, 2, 3) for key in ("a", "b", "c")]
    consumer(database, bus, handler).handle(received(records))
    assert effects(database) == {"a": [1], "c": [1, 2, 3]}
    return handler, records


def replayed(database: Database, handler: Handler, ids: Sequence[str] | None = None) -> Report:
    return replay(database, [Subscription(GROUP, (TOPIC,), handler)], ids, NOON)


def test_all_is_replayed_in_order_and_later_messages_flow_again(
    database: Database, bus: Bus, parked: tuple[Mended, list[Record]]
) -> None:
    handler, _ = parked
    handler.broken.clear()
    assert replayed(database, handler) == Report(replayed=5, failures=(), waiting=0)
    consumer(database, bus, handler).handle(received([record(TOPIC, "a", 4)], first=100))
    assert effects(database) == {"a": [1, 2, 3, 4], "b": [1, 2, 3], "c": [1, 2, 3]}


def test_a_key_stops_at_its_first_failure_and_others_go_on(
    database: Database, parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    handler.broken.remove(("b", 1))
    failure = Failure(GROUP, "a", id_of(records[3]), "LookupError")
    assert replayed(database, handler) == Report(replayed=3, failures=(failure,), waiting=2)
    assert effects(database) == {"a": [1], "b": [1, 2, 3], "c": [1, 2, 3]}
    with database.reading() as reader:
        assert [(letter.key, letter.attempts) for letter in waiting(reader)] == [
            ("a", 2),
            ("a", 0),
        ]


def test_one_event_takes_the_others_of_its_key_along_and_no_more(
    database: Database, parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    handler.broken.clear()
    report = replayed(database, handler, [id_of(records[7])])
    assert report == Report(replayed=3, failures=(), waiting=2)
    assert effects(database) == {"a": [1], "b": [1, 2, 3], "c": [1, 2, 3]}


def test_a_second_replay_has_no_second_effect(
    database: Database, bus: Bus, parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    handler.broken.clear()
    replayed(database, handler)
    assert replayed(database, handler) == Report(replayed=0, failures=(), waiting=0)
    with database.writing() as writer:
        writer.execute(text("UPDATE dead_letter SET replayed_at = NULL"))
    assert replayed(database, handler).replayed == 5
    consumer(database, bus, handler).handle(received(records))
    assert effects(database) == {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3]}


def test_what_comes_in_meanwhile_waits_and_is_replayed_too(
    database: Database, bus: Bus, parked: tuple[Mended, list[Record]]
) -> None:
    handler, _ = parked
    handler.broken.clear()
    loop = consumer(database, bus, keep)
    late = received([record(TOPIC, "a", 4)], first=100)

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        if late:
            loop.handle([late.pop()])
        handler(writer, messages)

    assert replayed(database, handle) == Report(replayed=6, failures=(), waiting=0)
    assert effects(database)["a"] == [1, 2, 3, 4]


def test_a_message_of_a_consumer_that_is_gone_stays(
    database: Database, parked: tuple[Mended, list[Record]]
) -> None:
    report = replay(database, [], None, NOON)
    assert (report.replayed, report.waiting) == (0, 5)
    assert {failure.error for failure in report.failures} == {"no such consumer in this service"}


def test_a_message_that_is_no_event_stays(database: Database, bus: Bus) -> None:
    bad = Record(TOPIC, "a", b"nonsense", record(TOPIC, "a", 1).headers)
    consumer(database, bus, keep).handle(received([bad]))
    report = replayed(database, keep)
    assert (report.replayed, report.waiting) == (0, 1)
    assert report.failures[0].error.startswith("payload does not fit")


def test_a_lost_database_is_raised_and_changes_nothing(
    database: Database, parked: tuple[Mended, list[Record]]
) -> None:
    def lost(writer: Writer, messages: Sequence[Message]) -> None:
        keep(writer, messages)
        raise psycopg.OperationalError("the connection is lost")

    with pytest.raises(psycopg.OperationalError):
        replayed(database, lost)
    assert count(database, "dead_letter") == 5
    assert effects(database) == {"a": [1], "c": [1, 2, 3]}


@pytest.fixture
def run(
    installation: Settings,
    parked: tuple[Mended, list[Record]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, str]]:
    """Runs a command of a made-up service whose consumer is the one with parked messages."""
    monkeypatch.setattr(shared.service, "load_settings", lambda: installation)
    subscription = Subscription(GROUP, (TOPIC,), parked[0])
    service = Service("intake", "made up", lambda _: Parts(APIRouter(), None, [subscription]))

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command_line(service), ["deadletters", *arguments])
        return result.exit_code, result.output

    return invoke


def test_the_command_lists_what_waits(
    run: Callable[..., tuple[int, str]], parked: tuple[Mended, list[Record]]
) -> None:
    code, output = run("list")
    lines = output.splitlines()
    assert code == 0
    assert lines[-1] == "5 waiting"
    assert lines[0].startswith(id_of(parked[1][1])) or lines[0].startswith(id_of(parked[1][3]))
    assert "handler_failed: LookupError" in output
    assert "张三" not in output


def test_the_command_replays_and_tells_what_still_fails(
    run: Callable[..., tuple[int, str]], parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    code, output = run("replay", "--all")
    assert code == 1
    assert f"failed  {id_of(records[3])}  {GROUP}  a  LookupError" in output
    assert output.endswith("0 replayed, 2 failed, 5 waiting\n")
    handler.broken.clear()
    assert run("replay", id_of(records[1])) == (0, "3 replayed, 0 failed, 2 waiting\n")
    assert run("replay", "--all") == (0, "2 replayed, 0 failed, 0 waiting\n")
    assert run("list") == (0, "0 waiting\n")


def test_what_is_thrown_away_has_no_effect_and_frees_what_waited_behind_it(
    database: Database, bus: Bus, parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    thrown = [id_of(records[1])]
    subscriptions = [Subscription(GROUP, (TOPIC,), handler)]
    report = throw_away(database, subscriptions, thrown, "王工", "调试时误发", NOON)
    assert report == Report(replayed=2, failures=(), waiting=2, discarded=1)
    assert effects(database) == {"a": [1], "b": [2, 3], "c": [1, 2, 3]}
    handler.broken.clear()
    consumer(database, bus, handler).handle(received(records))
    assert effects(database)["b"] == [2, 3]
    again = throw_away(database, subscriptions, thrown, "李工", "再来一次", NOON)
    assert again.discarded == 0
    with database.reading() as reader:
        (letter,) = discarded(reader)
    assert (letter.discarded_by, letter.discard_reason) == ("王工", "调试时误发")
    assert letter.replayed_at == NOON


def test_a_malformed_message_is_shown_and_thrown_away_by_its_number(
    database: Database, bus: Bus, run: Callable[..., tuple[int, str]]
) -> None:
    bad = Record(TOPIC, "d", b"\xffnonsense", {"ce_type": TICKET_URGED})
    loop = consumer(database, bus, keep)
    loop.handle(received([bad, record(TOPIC, "d", 2)], first=50))
    name = next(line.split()[0] for line in run("list")[1].splitlines() if "malformed" in line)
    assert name.startswith("#")
    code, output = run("show", name)
    assert code == 0
    assert "malformed" in output
    assert "nonsense" in output
    assert "waiting" in output
    code, output = run("discard", name, "--reason", "乱码", "--by", "王工")
    assert code == 0
    assert output.endswith("1 discarded\n1 replayed, 0 failed, 5 waiting\n")
    assert effects(database)["d"] == [2]
    loop.handle(received([bad], first=50))
    code, output = run("list", "--discarded")
    assert "by 王工: 乱码" in output
    assert output.endswith("1 discarded\n")


def test_what_waits_no_more_is_neither_thrown_away_nor_unknown_to_show(
    run: Callable[..., tuple[int, str]], parked: tuple[Mended, list[Record]]
) -> None:
    handler, records = parked
    handler.broken.clear()
    run("replay", "--all")
    name = id_of(records[1])
    code, output = run("discard", name, "--reason", "乱码")
    assert code == 1
    assert "0 discarded\n" in output
    code, output = run("show", name)
    assert code == 0
    assert "replayed 20" in output
    assert run("show", "no-such-letter")[0] == 1


def test_the_age_of_the_oldest_parked_message_is_told(
    database: Database, parked: tuple[Mended, list[Record]]
) -> None:
    with database.writing() as writer:
        writer.execute(
            text(
                "UPDATE dead_letter SET parked_at = now() - make_interval(hours => 3)"
                " WHERE id = (SELECT min(id) FROM dead_letter)"
            )
        )
    with database.reading() as reader:
        waits = backlog(reader)
    assert waits.parked == 5
    assert 3 * 3600 <= waits.parked_age < 3 * 3600 + 60


@pytest.mark.parametrize(
    "arguments", [["discard", "some-id"], ["discard", "some-id", "--reason", " "]]
)
def test_nothing_is_thrown_away_without_a_reason(
    run: Callable[..., tuple[int, str]], arguments: list[str]
) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "some-id", "--all"]])
def test_the_command_wants_events_or_all(
    run: Callable[..., tuple[int, str]], arguments: list[str]
) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert "name the events to replay, or say --all" in output
