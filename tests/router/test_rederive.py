"""Queue entries, clocks and lists derived anew: what is right stays, what is wrong is mended."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

import services.router.commands
import shared.commands
from services.router.rederive import Derived, rederive
from services.router.service import ROUTER
from shared.database import Writer
from shared.service import command_line
from tests.router.station import HERE, LAMP, STALLS, TRAPPED, Station
from tests.router.test_commands_everywhere import doubted, merged, redirected, twofold
from tests.router.test_whistle_api import blown

WAYS: Final[dict[str, Callable[[Station], object]]] = {
    "dispatched": lambda s: s.opened(LAMP),
    "danger with its whistle": lambda s: s.opened(TRAPPED),
    "blown by the street": lambda s: blown(s, s.opened(STALLS)),
    "merged": merged,
    "to be split": twofold,
    "in doubt": doubted,
    "redirected": redirected,
    "handed over": lambda s: s.done(redirected(s), "hand-over", note="已转市热线"),
    "without a place": lambda s: s.opened(LAMP, address=None),
    "answered": lambda s: s.answered(),
    "late": lambda s: s.opened(LAMP) and s.fire(datetime.now(UTC) + timedelta(days=20)),
}


def derived(station: Station, *, change: bool = True) -> Derived:
    return rederive(station.database, station.rules, datetime.now(UTC), change=change)


def spoil(station: Station, statement: str, number: str) -> None:
    with station.database.writing() as writer:
        writer.execute(text(statement), {"n": number})


@pytest.fixture
def whole(empty_station: Station) -> Station:
    """A router with a case of every way."""
    for way in WAYS.values():
        way(empty_station)
    return empty_station


def test_nothing_is_changed_where_the_rules_are_the_same(whole: Station) -> None:
    before = whole.value("SELECT count(*) FROM outbox")
    found = derived(whole)
    assert found == Derived(cases=found.cases)
    assert found.cases >= len(WAYS)
    assert whole.value("SELECT count(*) FROM outbox") == before


WRONG: Final = {
    "an entry is missing": "DELETE FROM queue_entry WHERE number = :n AND whistle = ''",
    "a whistle's entry is missing": "DELETE FROM queue_entry WHERE number = :n AND whistle <> ''",
    "an entry of another duty": 'UPDATE queue_entry SET item = item || \'{"role": "desk"}\''
    " WHERE number = :n",
    "an entry is closed": "UPDATE queue_entry SET open = false WHERE number = :n",
    "an entry too many": "INSERT INTO queue_entry (unit, number, whistle, seq, open, item)"
    " VALUES ('education', :n, '', -floor(random() * 1e9), true, '{\"role\": \"lead\"}')",
    "clocks that never fire": "UPDATE clock SET next_fire_at = NULL WHERE number = :n",
    "clocks that fire too late": "UPDATE clock SET next_fire_at = next_fire_at + interval '1 day'"
    " WHERE number = :n",
    "readers of before": "UPDATE case_record SET readers = '{}' WHERE number = :n",
    "no place in the list": "UPDATE case_record SET due_at = 'infinity' WHERE number = :n",
}


def picture(station: Station, number: str) -> list[object]:
    return [
        station.rows(query, n=number)
        for query in (
            "SELECT unit, whistle, item ->> 'role' FROM queue_entry"
            " WHERE number = :n AND open ORDER BY 1, 2",
            "SELECT kind, owner, next_step, next_fire_at FROM clock WHERE number = :n ORDER BY id",
            "SELECT CAST(due_at AS text), readers, version FROM case_record WHERE number = :n",
        )
    ]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_differs_is_brought_back(station: Station, wrong: str) -> None:
    number = station.opened(TRAPPED)
    right = picture(station, number)
    spoil(station, WRONG[wrong], number)
    assert picture(station, number) != right
    assert derived(station, change=False).differs
    assert picture(station, number) != right
    assert derived(station).differs
    assert picture(station, number) == right
    assert not derived(station).differs


def test_units_hear_of_an_entry_that_was_missing_and_of_one_that_goes(station: Station) -> None:
    number = station.opened(LAMP)
    spoil(station, WRONG["an entry is missing"], number)
    spoil(station, WRONG["an entry too many"], number)
    said = len(station.said(number))
    found = derived(station)
    assert found.entries == 2
    assert sorted(topic for topic, _ in station.said(number)[said:]) == [
        "hotline.queue.education",
        "hotline.queue.urban-management",
    ]
    assert station.queues(number)["education"] == ("lead", False)
    query = "SELECT item ->> 'reason' FROM queue_entry WHERE number = :n AND open"
    assert station.value(query, n=number) == "rederived"


def test_a_wait_that_the_state_asks_for_begins_where_it_is_missing(station: Station) -> None:
    number = station.opened(LAMP, address=None)
    spoil(station, "DELETE FROM clock WHERE number = :n AND kind <> 'resolve'", number)
    assert derived(station).clocks == 1
    query = "SELECT kind FROM clock WHERE number = :n AND kind <> 'resolve'"
    assert station.value(query, n=number) in ("ask", "decide")


def test_what_ended_leaves_the_queues(station: Station) -> None:
    number = station.opened(LAMP, address=HERE)
    spoil(station, "UPDATE case_record SET state = 'closed' WHERE number = :n", number)
    spoil(
        station,
        'UPDATE case_record SET details = details || \'{"state": "closed"}\' WHERE number = :n',
        number,
    )
    derived(station)
    assert not any(is_open for _, is_open in station.queues(number).values())


def test_a_case_that_changes_meanwhile_is_looked_at_again(station: Station) -> None:
    number = station.opened(LAMP)
    spoil(station, WRONG["an entry is missing"], number)
    holding, looked = threading.Event(), threading.Event()

    def hold(writer: Writer) -> None:
        writer.execute(
            text("SELECT 1 FROM case_record WHERE number = :n FOR UPDATE"), {"n": number}
        )
        holding.set()
        looked.wait(1.0)

    def accept() -> None:
        with station.database.writing() as writer:
            hold(writer)
        station.done(number, "accept", unit="urban-management")

    other = threading.Thread(target=accept)
    other.start()
    assert holding.wait(10)
    derived(station)
    other.join()
    assert station.state(number) == "accepted"
    assert station.queues(number) == {"urban-management": ("lead", True)}


def test_the_command_counts_and_mends(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (services.router.commands, shared.commands):
        monkeypatch.setattr(module, "load_settings", lambda: station.settings)
    number = station.opened(LAMP)
    spoil(station, WRONG["an entry is missing"], number)
    cli = command_line(ROUTER)
    services.router.commands.add_commands(cli)
    dry = CliRunner().invoke(cli, ["rederive", "--dry-run"])
    assert "应改队列条目 1 条、时钟 0 只、列表 0 件" in dry.output
    done = CliRunner().invoke(cli, ["rederive"])
    assert "改了队列条目 1 条" in done.output
    assert station.queues(number)["urban-management"] == ("lead", True)
