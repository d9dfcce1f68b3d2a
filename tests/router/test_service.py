"""The router as a service: its topics and its gauges."""

from prometheus_client import REGISTRY

from services.router.service import ROUTER
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
    horizon = gauge("hotline_calendar_horizon_days")
    assert horizon is not None


def test_a_count_that_has_become_none_does_not_stay(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(address=None)
    station.running.parts.measure()
    assert gauge("hotline_cases", state="awaiting_info") == 1
    station.hear(closed(number))
    station.running.parts.measure()
    assert not gauge("hotline_cases", state="awaiting_info")
    assert gauge("hotline_queue_open", unit="hotline-office") == 0
