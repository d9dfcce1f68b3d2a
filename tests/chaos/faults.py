"""The faults, by name: what befalls the installation, for how long, and who cannot work then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.installation import PROCESSES, WORKERS, Installation
from tests.chaos.network_faults import (
    flickering,
    forgotten,
    poisoned,
    to_database,
    to_kafka,
    to_one_broker,
    treated,
)
from tests.chaos.process_faults import (
    Befalling,
    brokers_frozen,
    brokers_killed,
    clock_jumped,
    frozen,
    joined_and_died,
    joined_and_left,
    killed,
    postgres_frozen,
    postgres_killed,
    postgres_restarted,
    read_only,
    replaced_while_frozen,
    restarted_in_turn,
)
from tests.chaos.proxy import Manner

ALL: Final = frozenset(PROCESSES)
NONE: Final[frozenset[str]] = frozenset()
ROUTER: Final = "router-worker"


def _always(installation: Installation) -> bool:
    return True


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for `seconds`.

    The `unable` cannot work meanwhile and must not say that they can; the `doubtful` may say
    either; all others can, and must not say for long that they cannot. `possible` says whether
    an installation has what the fault needs.
    """

    befall: Befalling
    seconds: float = 6.0
    unable: frozenset[str] = NONE
    doubtful: frozenset[str] = NONE
    possible: Callable[[Installation], bool] = _always


FAULTS: Final[Mapping[str, Fault]] = {
    **{f"kill {name}": Fault(killed(name), 3.0, frozenset({name})) for name in PROCESSES},
    "kill one broker": Fault(brokers_killed(1), 8.0),
    "kill two brokers": Fault(brokers_killed(2), 8.0, ALL),
    "kill all brokers": Fault(brokers_killed(3), 6.0, ALL),
    "kill PostgreSQL": Fault(postgres_killed, 4.0, ALL),
    **{f"freeze {name}": Fault(frozen(name), 8.0, frozenset({name})) for name in PROCESSES},
    **{
        f"freeze {name}, replaced": Fault(replaced_while_frozen(name), 14.0, frozenset({name}))
        for name in WORKERS
    },
    "freeze one broker": Fault(brokers_frozen(1), 10.0),
    "freeze two brokers": Fault(brokers_frozen(2), 8.0, ALL),
    "freeze PostgreSQL": Fault(postgres_frozen, 8.0, ALL),
    "restart PostgreSQL": Fault(postgres_restarted, 2.0, ALL),
    "database read-only": Fault(read_only, 6.0, ALL),
    "database silent": Fault(treated(to_database, Manner.SILENT), 8.0, ALL),
    "database silent, long": Fault(treated(to_database, Manner.SILENT), 25.0, ALL),
    "database slow": Fault(treated(to_database, Manner.SLOW, delay=0.1), 8.0, doubtful=ALL),
    "database cut": Fault(treated(to_database, Manner.CUT), 6.0, ALL),
    "database flickers": Fault(flickering(to_database), 1.0, doubtful=ALL),
    "database connections forgotten": Fault(forgotten(to_database), 15.0, doubtful=ALL),
    "Kafka silent": Fault(treated(to_kafka, Manner.SILENT), 8.0, ALL),
    "Kafka silent, long": Fault(treated(to_kafka, Manner.SILENT), 25.0, ALL),
    "Kafka slow": Fault(treated(to_kafka, Manner.SLOW, delay=0.2), 8.0, doubtful=ALL),
    "Kafka cut": Fault(treated(to_kafka, Manner.CUT), 6.0, ALL),
    "Kafka flickers": Fault(flickering(to_kafka), 1.0, doubtful=ALL),
    "Kafka connections forgotten": Fault(forgotten(to_kafka), 15.0, doubtful=ALL),
    "one broker silent": Fault(treated(to_one_broker, Manner.SILENT), 10.0),
    "one broker cut": Fault(treated(to_one_broker, Manner.CUT), 8.0),
    **{f"second {name} joins, leaves": Fault(joined_and_left(name), 4.0) for name in WORKERS},
    "second router-worker joins, dies": Fault(joined_and_died(ROUTER), 4.0),
    "rolling restart": Fault(restarted_in_turn, 1.0, doubtful=ALL),
    "poison": Fault(poisoned, 3.0),
    "clock of router-worker jumps": Fault(
        clock_jumped, 6.0, frozenset({ROUTER}), possible=lambda where: where.clock.movable
    ),
}
"""Every fault of a long run."""

SHORT: Final = ("kill router-worker", "kill one broker", "database silent", "poison")
"""The faults of a test run: a kind each, that are over soon."""
