"""Whether enough brokers answer for a write to be acknowledged.

One of three may be dead or frozen, and the bus goes on; with two gone nothing is acknowledged,
though the last one still answers whoever asks it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from shared.bus import BusUnavailable

Reach = Callable[[str], Sequence[str]]
"""Asks the broker at an address for all brokers' addresses; nothing where it does not know them.

Raises BusUnavailable where it does not answer in time.
"""


class Quorum:
    """Asks the brokers, at first those of the settings, then those that they name."""

    def __init__(self, reach: Reach, seeds: Sequence[str], needed: int) -> None:
        self._reach = reach
        self._seeds = tuple(seeds)
        self._needed = needed
        self._brokers: tuple[str, ...] = ()

    def answers(self) -> bool:
        """Ask all at once, and wait no longer than it takes to be sure."""
        known = self._brokers
        if self._enough(known or self._seeds):
            return True
        # One seed may stand for all brokers: those it named are asked themselves.
        if not known and self._brokers and self._enough(self._brokers):
            return True
        self._brokers = ()
        return False

    def _enough(self, addresses: Sequence[str]) -> bool:
        answered = 0
        pool = ThreadPoolExecutor(len(addresses), thread_name_prefix="quorum")
        try:
            for asked in as_completed([pool.submit(self._reach, each) for each in addresses]):
                try:
                    self._brokers = tuple(asked.result()) or self._brokers
                except BusUnavailable:
                    continue
                answered += 1
                if answered >= self._needed:
                    return True
            return False
        finally:
            pool.shutdown(wait=False)
