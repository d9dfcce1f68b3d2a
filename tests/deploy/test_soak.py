"""The soak: its arithmetic, the bytes it reads, and a few seconds of the real thing."""

import psycopg
import pytest

from deploy.load.soak import soak
from deploy.load.space import Found, Round, sizes
from deploy.stack import Stack, settings_for
from shared.postgres import database_url, ensure_database, libpq
from shared.service import prepare
from shared.settings import Settings
from tests.conftest import public_home

START = {"bus.record": 100, "router.case_log": 50}


def round_of(before: tuple[int, int], after: tuple[int, int], wal: int = 4000) -> Round:
    names = ("bus.record", "router.case_log")
    return Round(
        10, 9, dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True)), wal
    )


def test_a_ticket_costs_what_the_first_round_put_in_and_leaves_what_the_later_ones_left() -> None:
    found = Found(START, [round_of((1100, 550), (200, 550)), round_of((1100, 1050), (210, 1040))])
    assert found.put == {"bus.record": 100, "router.case_log": 50}
    assert found.left == {"bus.record": 1, "router.case_log": 49}
    assert (found.tickets, found.wal) == (20, 400)
    assert found.flat
    assert "18 of 20" in found.verdict()[0]
    assert "FLAT" in found.verdict()[1]


def test_what_has_a_term_and_grows_all_the_same_is_not_flat() -> None:
    found = Found(START, [round_of((1100, 550), (200, 550)), round_of((1200, 1050), (300, 1040))])
    assert not found.flat
    assert found.growth == pytest.approx(0.1)
    assert "NOT FLAT" in found.verdict()[1]


def test_the_parts_of_a_day_count_as_their_table(settings: Settings) -> None:
    for service in ("intake", "classifier", "router"):
        prepare(settings, service)
    ensure_database(settings, "bus")
    empty = sizes(settings)
    with psycopg.connect(libpq(database_url(settings, "intake")), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO inbox (consumer, event_id)"
            " SELECT 'c', gen_random_uuid() FROM generate_series(1, 5000)"
        )
        part = connection.execute("SELECT pg_total_relation_size('inbox_rest')").fetchone()
    full = sizes(settings)
    assert (full["intake.inbox"],) == part
    assert full["intake.inbox"] > empty["intake.inbox"] + 5000 * 50
    assert {name for name in full if full[name] != empty[name]} == {"intake.inbox"}


def test_a_few_seconds_count_what_was_taken_in_and_what_is_left() -> None:
    with public_home() as home, Stack(settings_for(home)) as stack:
        found = soak(stack, 4, 2)
    first, second = found.rounds
    assert first.tickets > 0
    assert second.tickets > 0
    assert first.closed <= first.tickets
    assert found.put["router.case_log"] > 0
    for one in found.rounds:
        assert one.wal > 0
        assert one.after["bus.record"] < one.before["bus.record"]
        assert one.after["router.inbox"] < one.before["router.inbox"]
        assert one.after["router.case_log"] == one.before["router.case_log"]
