"""What the router counts of its own business: each thing once, with the values people steer by."""

import contextlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.roles import Role
from tests.router.station import LAMP, STALLS, TRAPPED, Station, classified, new_number, urged
from tests.router.test_api import RETURN
from tests.router.test_whistle_ways_back import order, sounding, worked

LEAD = "urban-management"
STREET = "wangdingdi"


def value(name: str, **labels: str) -> float:
    """A figure as it is exported, 0 where it is not."""
    return REGISTRY.get_sample_value(name, labels) or 0


def opening(station: Station) -> None:
    station.opened(LAMP)


def signing(station: Station) -> None:
    station.done(station.opened(LAMP), "accept", unit=LEAD)


def signing_late(station: Station) -> None:
    number = station.opened(LAMP)
    with station.database.writing() as writer:
        writer.execute(
            text("UPDATE clock SET due_at = due_at - interval '30 days' WHERE number = :n"),
            {"n": number},
        )
    station.done(number, "accept", unit=LEAD)


def returning(station: Station) -> None:
    station.done(station.opened(LAMP), "return", unit=LEAD, **RETURN)


def urging(station: Station) -> None:
    station.hear(urged(station.opened(LAMP)))


def repeating(station: Station) -> None:
    station.hear(classified(new_number(), LAMP, refers_to=("NK20260101-000001",)))


def whistling(station: Station) -> None:
    sounding(station)


def answering(station: Station) -> None:
    worked(station, sounding(station), "planning")


def scoring(station: Station) -> None:
    name = sounding(station)
    worked(station, name, "planning")
    order(station, name, "confirm", STREET, note="已核实")
    order(station, name, "score", STREET)
    order(station, name, "close", STREET)


def labelled(**labels: str) -> dict[str, str]:
    return labels


OPENED = labelled(street=STREET, leaf=LAMP, priority="P4", disposition="dispatch")
HERE = labelled(street=STREET, leaf=LAMP)
CASES: list[tuple[Callable[[Station], None], str, dict[str, str]]] = [
    (opening, "hotline_first_dispatches_total", {"unit": LEAD}),
    (signing, "hotline_clocks_stopped_total", labelled(clock="accept", unit=LEAD, in_time="true")),
    (
        signing_late,
        "hotline_clocks_stopped_total",
        labelled(clock="accept", unit=LEAD, in_time="false"),
    ),
    (returning, "hotline_returns_total", labelled(unit=LEAD, ruling="asked")),
    (urging, "hotline_urges_total", HERE),
    (repeating, "hotline_repeats_total", HERE),
    (whistling, "hotline_whistles_blown_total", labelled(kind="joint_enforcement", street=STREET)),
    (whistling, "hotline_whistle_units_total", labelled(unit="planning", step="asked")),
    (answering, "hotline_whistle_units_total", labelled(unit="planning", step="acknowledged")),
    (answering, "hotline_whistle_units_total", labelled(unit="planning", step="arrived")),
    (answering, "hotline_whistle_units_total", labelled(unit="planning", step="handled")),
    (scoring, "hotline_whistle_units_total", labelled(unit="fire", step="absent")),
    (
        scoring,
        "hotline_whistle_unit_scores_total",
        labelled(unit="planning", question="solved", answer="true"),
    ),
]


@pytest.mark.parametrize(("act", "name", "labels"), CASES)
def test_what_happens_is_counted_once(
    station: Station, act: Callable[[Station], None], name: str, labels: dict[str, str]
) -> None:
    before = value(name, **labels)
    act(station)
    assert value(name, **labels) == before + 1


def test_an_opened_case_is_counted_by_street_leaf_priority_and_disposition(
    station: Station,
) -> None:
    number = new_number()
    said = classified(number, LAMP)
    labels = {**OPENED, "priority": said.priority.value}
    before = value("hotline_cases_opened_total", **labels)
    station.hear(said)
    station.hear(said)
    assert value("hotline_cases_opened_total", **labels) == before + 1


def test_what_is_rolled_back_was_never_counted(station: Station) -> None:
    number = station.opened(LAMP)
    labels = labelled(clock="accept", unit=LEAD, in_time="true")
    before = value("hotline_clocks_stopped_total", **labels)
    assert station.give(number, "accept", unit="fire").status_code >= 400
    assert value("hotline_clocks_stopped_total", **labels) == before
    counted: list[int] = []
    with (
        contextlib.suppress(ZeroDivisionError),
        station.database.writing() as writer,
    ):
        writer.once_committed(lambda: counted.append(1))
        counted.append(1 // len(counted))
    assert counted == []


def test_open_clocks_are_counted_by_unit_until_their_task_is_done(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED)
    lead = station.value("SELECT lead_unit FROM case_record WHERE number = :n", n=number)
    station.running.parts.measure()
    assert value("hotline_clocks_due_soon", clock="accept", unit=lead) == 1
    assert value("hotline_clocks_overdue", clock="accept", unit=lead) == 0
    with station.database.writing() as writer:
        writer.execute(
            text(
                "UPDATE clock SET due_at = now() - interval '1 hour',"
                " started_at = now() - interval '2 hours' WHERE kind = 'accept'"
            )
        )
    station.running.parts.measure()
    assert value("hotline_clocks_overdue", clock="accept", unit=lead) == 1
    oldest = max(
        value("hotline_emergency_unacknowledged_seconds", priority=priority)
        for priority in ("P0", "P1")
    )
    assert timedelta(seconds=oldest) >= timedelta(hours=2)
    station.done(number, "accept", unit=lead)
    station.running.parts.measure()
    assert value("hotline_clocks_overdue", clock="accept", unit=lead) == 0
    assert value("hotline_emergency_unacknowledged_seconds", priority="P0") == 0
    assert value("hotline_emergency_unacknowledged_seconds", priority="P1") == 0


def test_no_label_holds_a_number_a_person_or_a_text(station: Station) -> None:
    numbers = [station.opened(STALLS) for _ in range(2)]
    station.done(numbers[0], "accept", unit=STREET, name="张三", role=Role.UNIT)
    said = {
        label
        for metric in REGISTRY.collect()
        for sample in metric.samples
        for label in sample.labels.values()
    }
    assert not any(number in label for number in numbers for label in said)
    assert not any("张三" in label or len(label) > 80 for label in said)
