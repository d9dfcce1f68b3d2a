"""Tables of strangers, read in a process apart that may use only so much memory and time.

A workbook of a few kilobytes can make a library hold gigabytes or count for hours. Here such a
file costs a process that knows no secret and is ended; the service and the other imports go on.
Run as a program, with bytes of memory and seconds of processor as arguments, it reads the table
on standard input and prints it line by line as JSON: the headings, each row, and `null` at the
end, or a sentence that says why there is none.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from services.intake.imports.sheets import Row, Sheet, SheetError, read_sheet

MEMORY_BYTES: Final = 1 << 30
"""Of address space: 100,000 rows with 150 MB of words between them take two thirds of it."""
PROCESSOR_SECONDS: Final = 120
"""For a whole table: 100,000 rows of eight columns take about 15."""
HEADINGS_SECONDS: Final = 20
"""For what has to be read before the headings, while somebody waits for the answer."""
AT_ONCE: Final = 3
"""Tables that one process of the service reads at the same time."""
PATIENCE_SECONDS: Final = 10.0
TOO_MUCH: Final = "这个表格读起来太费时或太占内存，请另存为 CSV，或分成几个文件"
ROOT: Final = Path(__file__).parents[3]

_turns: Final = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """Too many tables are being read already."""


@contextmanager
def read_apart(file: IO[bytes], seconds: int = PROCESSOR_SECONDS) -> Iterator[Sheet]:
    """The table in a file, whose reader ends with the block, or after `seconds` of processor.

    Reading the rows may raise SheetError. Raises SheetError, and Busy where others are read.
    """
    if not _turns.acquire(timeout=PATIENCE_SECONDS):
        raise Busy
    try:
        file.seek(0)
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(MEMORY_BYTES), str(seconds)],
            stdin=file.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONUTF8": "1"},
        ) as reader:
            try:
                assert reader.stdout is not None
                said = _said(reader.stdout)
                yield Sheet(next(said)[1], said)
            finally:
                reader.kill()
    finally:
        _turns.release()


def _said(lines: IO[bytes]) -> Iterator[Row]:
    """What a reader prints; its headings come first, in row 1. Raises SheetError."""
    for line in lines:
        match json.loads(line) if line.endswith(b"\n") else "":
            case None:
                return
            case str(sentence) if sentence:
                raise SheetError(sentence)
            case [int(number), list(cells)]:
                yield number, cells
    raise SheetError(TOO_MUCH)


def main() -> None:
    """Print the table on standard input."""
    for limit, most in zip((resource.RLIMIT_AS, resource.RLIMIT_CPU), sys.argv[1:], strict=True):
        resource.setrlimit(limit, (int(most), int(most)))
    try:
        sheet = read_sheet(sys.stdin.buffer)
        print(json.dumps([1, sheet.headings]), flush=True)
        for row in sheet.rows:
            print(json.dumps(row))
        end = None
    except SheetError as error:
        end = str(error)
    except MemoryError:
        end = TOO_MUCH
    print(json.dumps(end), flush=True)


if __name__ == "__main__":
    main()
