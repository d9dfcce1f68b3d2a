"""`python -m deploy.keep PID COMMAND…`: run a command while a process lives, again when it dies.

What `make run` starts is kept by this: a service that ends by itself is started again after a
pause, and no service outlives the process that started it all, not even where that was killed.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Seconds before each start of a command that keeps dying; the last one again and again."""
STEADY_SECONDS: Final = 60.0
"""Who has run for so long has not died at its start: the pauses begin anew."""
LOOK_SECONDS: Final = 0.5
ENDED_BY_US: Final = (-signal.SIGINT, -signal.SIGTERM)
PR_SET_PDEATHSIG: Final = 1
"""Linux: the signal a process is sent when its parent ends (prctl(2))."""


def die_with_parent() -> None:
    """Be sent SIGTERM when the parent ends; on other systems than Linux nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Keeper:
    """Runs one command until it is told to stop."""

    def __init__(self, starter: int, command: Sequence[str]) -> None:
        self._starter = os.pidfd_open(starter) if sys.platform == "linux" else None
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on and start no more."""
        self._stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def run(self) -> int:
        """Keep the command running; the exit status it had when it was stopped."""
        failures = 0
        while not self._stopping:
            started = time.monotonic()
            self._child = subprocess.Popen(self._command, preexec_fn=die_with_parent)
            status = self._wait(self._child)
            if self._stopping:
                return 0 if status in ENDED_BY_US else status
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else PAUSES[0]
            print(f"ended with {status}; started again in {pause} s", flush=True)
            deadline = time.monotonic() + pause
            while not self._stopping and time.monotonic() < deadline:
                self._look()
        return 0

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        while child.poll() is None:
            self._look()
        return int(child.returncode)

    def _look(self) -> None:
        """Let a moment pass; stop when the starter has ended."""
        if self._starter is None:
            time.sleep(LOOK_SECONDS)
        elif select.select([self._starter], [], [], LOOK_SECONDS)[0] and not self._stopping:
            self.stop(signal.SIGTERM, None)


def main() -> int:
    """Keep the command of the arguments."""
    try:
        keeper = Keeper(int(sys.argv[1]), sys.argv[2:])
    except ProcessLookupError:
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, keeper.stop)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main())
