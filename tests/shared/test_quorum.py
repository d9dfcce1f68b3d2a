"""How many brokers must answer, and that a silent one keeps nobody waiting."""

import time
from collections.abc import Sequence

import pytest

from shared.bus import BusUnavailable
from shared.bus.quorum import Quorum

ALL = ("a", "b", "c")


@pytest.mark.parametrize(
    ("alive", "needed", "enough"),
    [
        ("abc", 2, True),
        ("ab", 2, True),
        ("c", 2, False),
        ("", 2, False),
        ("c", 1, True),
    ],
)
@pytest.mark.parametrize("seeds", [ALL, ("lb",)], ids=["each broker", "one name for all"])
def test_as_many_must_answer_as_acknowledge(
    alive: str, needed: int, enough: bool, seeds: Sequence[str]
) -> None:
    def reach(address: str) -> Sequence[str]:
        if address in alive or (address == "lb" and alive):
            return ALL
        raise BusUnavailable(address)

    quorum = Quorum(reach, seeds, needed)
    assert [quorum.answers() for _ in range(3)] == [enough] * 3


def test_brokers_that_moved_are_found_by_the_settings_again() -> None:
    there = {"a", "b", "c"}

    def reach(address: str) -> Sequence[str]:
        if address == "lb":
            return tuple(sorted(there))
        if address not in there:
            raise BusUnavailable(address)
        return ()

    quorum = Quorum(reach, ("lb",), 2)
    assert quorum.answers()
    there = {"d", "e", "f"}
    assert not quorum.answers()
    assert quorum.answers()


def test_a_silent_broker_keeps_nobody_waiting() -> None:
    def reach(address: str) -> Sequence[str]:
        if address == "a":
            time.sleep(1)
            raise BusUnavailable(address)
        return ALL

    started = time.monotonic()
    assert Quorum(reach, ALL, 2).answers()
    assert time.monotonic() - started < 0.5
