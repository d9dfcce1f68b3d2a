"""A clock that jumps, for one process alone: a small library before the C library's own.

The machine's clock can only be moved by root, and for everybody. libfaketime would not do: with
the monotonic clock left true, as it is when a wall clock jumps, Python's sleep fails under it.
"""

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("clock.c")


class Clock:
    """The wall clock of the processes that are started with its environment.

    It needs a C compiler; without one it is the machine's own.
    """

    def __init__(self, home: Path) -> None:
        self._ahead = home / "clock"
        self._library = home / "clock.so"
        self._ahead.write_bytes(struct.pack("q", 0))
        compiler = shutil.which("cc")
        self.movable = compiler is not None
        if compiler is not None:
            options = ("-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl")
            subprocess.run([compiler, *options], check=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is told that lives by this clock."""
        if not self.movable:
            return {}
        return {"LD_PRELOAD": str(self._library), "HOTLINE_CLOCK": str(self._ahead)}

    def jump(self, seconds: int) -> None:
        """Let the clock be so far ahead of the machine's."""
        with self._ahead.open("r+b") as file:
            file.write(struct.pack("q", seconds))
