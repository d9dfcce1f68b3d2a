"""A machine's clock is believed while it runs evenly and near the database's, and not otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.router.clockwork import Clockwork
from services.router.trusted_time import BOUND, SETTLED, TrustedTime
from tests.router.station import TRAPPED, Station

START = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


class Machine:
    """A machine whose clock can be set; its monotonic clock runs on."""

    def __init__(self) -> None:
        self.passed = timedelta(0)
        self.wrong = timedelta(0)
        self.trusted = TrustedTime(self.wall, lambda: self.passed.total_seconds())

    def wall(self) -> datetime:
        return START + self.passed + self.wrong

    def believed(self, after: timedelta = SECOND, database: timedelta | None = None) -> bool:
        """Whether the clock is believed after a while; the database's is as wrong as told."""
        self.passed += after
        wrong = self.wrong if database is None else database
        return self.trusted.check(START + self.passed + wrong)


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, timedelta(days=400), 2 * BOUND])
def test_a_jump_is_doubted_until_the_clock_is_back(wrong: timedelta) -> None:
    machine = Machine()
    assert machine.believed()
    machine.wrong = wrong
    assert not machine.believed()
    assert not machine.believed(timedelta(seconds=20))
    assert machine.trusted.believed() != True  # noqa: E712 - a sentence, not False
    machine.wrong = timedelta(0)
    assert machine.believed()
    assert machine.trusted.believed() is True


def test_a_correction_is_believed_when_it_has_stood_for_a_while() -> None:
    machine = Machine()
    machine.wrong = HOUR
    assert not machine.believed()
    assert not machine.believed(SETTLED - 2 * SECOND)
    assert machine.believed(3 * SECOND)
    machine.wrong = timedelta(0)
    assert not machine.believed(), "going back is another jump by then"


def test_a_clock_far_from_the_databases_is_doubted_however_even() -> None:
    machine = Machine()
    assert not machine.believed(database=3 * BOUND)
    assert not machine.believed(2 * SETTLED, database=3 * BOUND)
    assert machine.believed(database=timedelta(seconds=10))


@pytest.mark.parametrize("steps", [[SECOND] * 100, [BOUND / 2] * 10, [-BOUND / 2] * 10])
def test_slow_corrections_are_followed(steps: Sequence[timedelta]) -> None:
    machine = Machine()
    for step in steps:
        machine.wrong += step
        assert machine.believed(timedelta(minutes=10))


def test_no_clock_fires_while_the_clock_is_doubted(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED, received_at=datetime.now(UTC) - timedelta(hours=2))
    ahead = timedelta(0)
    trusted = TrustedTime(wall=lambda: datetime.now(UTC) + ahead)
    relay = station.running.runtime.relay
    clockwork = Clockwork(station.database, station.rules, relay, trusted)
    ahead = HOUR
    assert not clockwork.step()
    assert "1小时0分钟" in str(trusted.believed())
    ahead = timedelta(0)
    assert clockwork.step(), number
