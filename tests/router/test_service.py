"""The router as a service: its topics and its gauges."""

import subprocess
import sys
from datetime import datetime

from prometheus_client import REGISTRY

from services.router.service import ROUTER
from shared.calendar import SHANGHAI, days_to_horizon
from tests.router.station import STALLS, Station, closed


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_every_unit_has_a_topic_of_its_own_in_one_partition(station: Station) -> None:
    topics = ROUTER.topics(station.settings)
    assert topics.keys() == {f"hotline.queue.{unit}" for unit in station.rules.policy.units}
    assert set(topics.values()) == {1}


def test_the_gauges_count_every_open_case_in_its_one_place(empty_station: Station) -> None:
    station = empty_station
    for _ in range(3):
        station.opened(STALLS)
    station.hear(closed(station.opened(address=None)))
    station.answered()
    station.running.parts.measure()
    assert gauge("hotline_cases", state="dispatched") == 3
    assert gauge("hotline_cases", state="callback_pending") == 1
    assert gauge("hotline_cases", state="closed") is None
    assert gauge("hotline_queue_open", unit="wangdingdi") == 3
    assert gauge("hotline_queue_open", unit="fire") == 0


def test_the_calendars_end_is_told_where_it_is_known_and_nowhere_else(station: Station) -> None:
    station.running.parts.measure()
    days = days_to_horizon(station.rules.calendar, datetime.now(SHANGHAI).date())
    assert days > 0
    assert gauge("hotline_calendar_horizon_days") == days
    elsewhere = "import shared.metrics, prometheus_client as p; print(p.generate_latest().decode())"
    said = subprocess.run(
        [sys.executable, "-c", elsewhere], capture_output=True, text=True, check=True
    ).stdout
    assert "hotline_http_requests_total" in said
    assert "hotline_calendar_horizon_days" not in said
    assert "hotline_reviews_waiting" not in said


def test_a_count_that_has_become_none_does_not_stay(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(address=None)
    station.running.parts.measure()
    assert gauge("hotline_cases", state="awaiting_info") == 1
    station.hear(closed(number))
    station.running.parts.measure()
    assert not gauge("hotline_cases", state="awaiting_info")
    assert gauge("hotline_queue_open", unit="hotline-office") == 0
