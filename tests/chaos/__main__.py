"""`make chaos ROUNDS=n`: so many faults, each kind in turn, and a table of what they did.

    python -m tests.chaos [--rate CALLS] [--patience SECONDS] [ROUNDS [FAULT ...]]

Every round is told as it ends. Ends with 1 where anything was wrong. On a signal the table is of
the rounds until then. On a machine that has much else to do, ask for fewer calls a second and
for more patience.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice

from deploy.kafka.broker import obstacle
from tests.chaos.audit import Auditor
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.installation import installed
from tests.chaos.load import RATE
from tests.chaos.rounds import PATIENCE_SECONDS, Outcome, Rounds
from tests.chaos.table import table
from tests.chaos.watch import Watch


def main(rounds: int | None, chosen: Sequence[str], rate: float, patience: float) -> int:
    """Run the rounds, each of the chosen faults once unless told, and print the table."""
    if (reason := obstacle()) is not None:
        print(f"Kafka cannot run here: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcomes: list[Outcome] = []
    with installed() as installation:
        faults = {name: FAULTS[name] for name in chosen or FAULTS}
        possible = {name: each for name, each in faults.items() if each.possible(installation)}
        for name in faults.keys() - possible.keys():
            print(f"left out, for it cannot be done here: {name}", file=sys.stderr)
        with Watch(installation.processes) as watch:
            running = Rounds(installation, Auditor(installation), watch, rate, patience)
            try:
                outcomes.extend(_each(running, possible, rounds or len(possible)))
            except KeyboardInterrupt:
                print("stopped early", file=sys.stderr)
    print(table(outcomes))
    return 0 if all(outcome.sound for outcome in outcomes) else 1


def _each(running: Rounds, faults: Mapping[str, Fault], rounds: int) -> Iterator[Outcome]:
    for at, (name, fault) in enumerate(islice(cycle(faults.items()), rounds), start=1):
        began = time.monotonic()
        outcome = running.run(name, fault)
        state = "sound" if outcome.sound else "WRONG"
        took = time.monotonic() - began
        recovered = "never" if outcome.recovered is None else f"{outcome.recovered:.1f} s"
        told = f"{outcome.accepted} accepted, recovered {recovered}"
        print(f"{at}/{rounds} {name}: {state}, {told}, {took:.0f} s", file=sys.stderr)
        for wrong in (*outcome.findings, *outcome.lies):
            print(f"    {wrong}", file=sys.stderr)
        yield outcome


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("rounds", type=int, nargs="?")
    parser.add_argument("fault", nargs="*")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS)
    given = parser.parse_args()
    sys.exit(main(given.rounds, given.fault, given.rate, given.patience))
