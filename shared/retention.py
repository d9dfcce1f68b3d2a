"""How long what is kept: a table that the district may replace, and deleting a bite at a time.

`retention.csv` in the policy directory goes before the one beside this file.
"""

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.engine import CursorResult

from shared.database import Database

TABLE: Final = "retention.csv"
BITE: Final = 5000
"""Rows deleted in one transaction, so that none is held long."""


class Kept(StrEnum):
    """What is kept for a time.

    The bus's log; which messages were handled; keys under which a request may be repeated;
    the numbers by which other channels know their tickets; parked messages that were handled
    after all; closed entries of queues; what a shadow model said; files that were tried and not
    imported, and what became of each row of an import; after the end of a ticket the caller's
    contact with all that knows them again, and the ticket's words.
    """

    BUS_LOG = "bus_log"
    INBOX = "inbox"
    REQUEST_KEYS = "request_keys"
    CHANNEL_NUMBERS = "channel_numbers"
    HANDLED_LETTERS = "handled_letters"
    CLOSED_ENTRIES = "closed_entries"
    SHADOW_VERDICTS = "shadow_verdicts"
    IMPORT_FILES = "import_files"
    IMPORTS = "imports"
    CONTACTS = "contacts"
    TEXTS = "texts"


Terms = Mapping[Kept, timedelta]


class RetentionError(Exception):
    """The table lacks a term, or holds one that cannot be; the sentence says which."""


def load_terms(policy: Path | None) -> Terms:
    """The terms in force; `policy` is the directory of the district's own tables.

    Raises RetentionError.
    """
    own = policy / TABLE if policy is not None else None
    path = own if own is not None and own.exists() else Path(__file__).with_name(TABLE)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["kept"]: row["days"] for row in csv.DictReader(file)}
    if unknown := rows.keys() - set(Kept):
        raise RetentionError(f"{path.name}：不认识 {'、'.join(sorted(unknown))}")
    terms = {}
    for kept in Kept:
        days = rows.get(kept, "")
        if not days.isdecimal() or int(days) == 0:
            raise RetentionError(f"{path.name}：{kept} 须写明天数，至少 1 天")
        terms[kept] = timedelta(days=int(days))
    if terms[Kept.INBOX] < terms[Kept.BUS_LOG]:
        raise RetentionError(f"{path.name}：inbox 不得短于 bus_log，否则重复送达会重复办理")
    if terms[Kept.TEXTS] < terms[Kept.CONTACTS]:
        raise RetentionError(f"{path.name}：texts 不得短于 contacts")
    return terms


def bite_of(table: str, condition: str) -> TextClause:
    """Deletes the rows of a table for which a condition on `:before` holds, a bite of them."""
    return text(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608 names of our own
        f"SELECT ctid FROM {table} WHERE {condition} LIMIT :bite))"
    )


def forget(database: Database, bite: TextClause, before: datetime) -> int:
    """Delete what is past keeping, each bite in a transaction of its own; how many rows."""
    forgotten = 0
    while True:
        with database.writing() as writer:
            done = writer.execute(bite, {"before": before, "bite": BITE})
        assert isinstance(done, CursorResult)
        forgotten += done.rowcount
        if done.rowcount < BITE:
            return forgotten
