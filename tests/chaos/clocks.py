"""A clock that jumps, for one process alone: libfaketime where it is found.

The machine's own clock can only be moved by root, and for everybody.
"""

import ctypes.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LIBRARY_VARIABLE: Final = "HOTLINE_FAKETIME"
"""Names `libfaketime.so.1` where it is not installed."""
USUAL: Final = "*/faketime/libfaketime.so.1"


def library() -> Path | None:
    """Where libfaketime is on this machine."""
    named = os.environ.get(LIBRARY_VARIABLE) or ctypes.util.find_library("faketime")
    if named is not None:
        return Path(named)
    return next(iter(sorted(Path("/usr/lib").glob(USUAL))), None)


class Clock:
    """The wall clock of the processes that are started with its environment."""

    def __init__(self, home: Path) -> None:
        self._file = home / "clock"
        self._library = library()
        self.jump(0)

    @property
    def movable(self) -> bool:
        """Whether `jump` changes anything."""
        return self._library is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is told that lives by this clock; the monotonic one stays true."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
        }

    def jump(self, seconds: int) -> None:
        """Let the clock be so far ahead of the machine's."""
        self._file.write_text(f"{seconds:+d}s\n")
