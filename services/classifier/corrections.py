"""People's answers as a file the next training takes: `train --data FILE`.

Texts are redacted already, as everything this service stores.
"""

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import text

from shared.calendar import SHANGHAI
from shared.database import Reader
from shared.spreadsheets import inert

COLUMNS: Final = ("text", "leaf", "priority", "number", "reviewer", "at")
BATCH: Final = 500
ANSWERS: Final = text("""
SELECT v.classification #>> '{ticket,title}' AS title, v.classification #>> '{ticket,text}' AS text,
    r.leaf, r.priority, r.number, r.reviewer, r.at
FROM (SELECT DISTINCT ON (number) * FROM review ORDER BY number, id DESC) r
    JOIN verdict v USING (number)
WHERE NOT EXISTS (SELECT FROM erased_ticket e WHERE e.number = r.number)
ORDER BY r.number
""").execution_options(yield_per=BATCH)
"""The newest answer on each ticket, with the ticket as it now reads."""


def export(reader: Reader, path: Path) -> int:
    """Write all answers, each ticket once; how many there are. The file is whole or untouched.

    Raises OSError where the file cannot be written. A byte order mark lets spreadsheets
    read the Chinese; what would be a formula there is quoted, and training takes that off.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".corrections-")
    try:
        with open(handle, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            count = 0
            for answer in answers(reader):
                writer.writerow(map(inert, answer))
                count += 1
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return count


def answers(reader: Reader) -> Iterator[tuple[str, ...]]:
    """The rows of the file; a title stands before its text, as the model reads it."""
    for row in reader.execute(ANSWERS):
        titled = row.title and not row.text.startswith(row.title)
        words = f"{row.title}。{row.text}" if titled else row.text
        at = row.at.astimezone(SHANGHAI).isoformat(timespec="seconds")
        yield words, row.leaf, row.priority, row.number, row.reviewer, at
