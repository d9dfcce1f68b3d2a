"""A round of some faults, a kind each; `make chaos ROUNDS=100` is the long run of all."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.chaos.audit import Auditor
from tests.chaos.faults import FAULTS, SHORT
from tests.chaos.installation import Installation, installed
from tests.chaos.rounds import Rounds
from tests.chaos.table import table
from tests.chaos.watch import Watch

pytestmark = pytest.mark.kafka

RATE: Final = 10.0
PATIENCE_SECONDS: Final = 120.0
"""Other tests run beside this one: fewer calls, and more time to start again."""


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed() as running:
        yield running


def test_nothing_is_lost_doubled_reordered_or_stuck_whatever_happens(
    installation: Installation,
) -> None:
    with Watch(installation.processes) as watch:
        rounds = Rounds(installation, Auditor(installation), watch, RATE, PATIENCE_SECONDS)
        outcomes = [rounds.run(name, FAULTS[name]) for name in SHORT]
    print(table(outcomes))
    assert all(outcome.sound for outcome in outcomes), table(outcomes)
    assert all(outcome.accepted > 0 and not outcome.untaken for outcome in outcomes)
