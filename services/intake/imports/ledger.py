"""Imports as rows: what is to be taken in, who is at it, and what became of each row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from tempfile import TemporaryFile
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select

from services.intake.imports.columns import Refusal
from services.intake.tables import ImportLineRow, ImportPartRow, ImportRow
from services.intake.vault import Vault
from shared.database import Reader, Writer, as_json

PART_BYTES: Final = 1 << 20
LEASE: Final = timedelta(seconds=20)
"""How long a worker that says nothing keeps an import; a batch takes a second or two."""


class State(StrEnum):
    """Where an import stands; `failed` says why, and has taken no row in."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a row: its ticket, or why it was refused; sound in a dry run: neither."""

    row: int
    number: str | None = None
    refusals: Sequence[Refusal] = ()


def keep_file(writer: Writer, vault: Vault, job: UUID, file: IO[bytes]) -> None:
    """Keep a table's file, sealed piece by piece; callers' names and phones stand in it."""
    file.seek(0)
    for part, piece in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
        sealed = vault.wrap(seal_name(job, part), piece)
        writer.add(ImportPartRow(import_id=job, part=part, sealed=sealed))
        writer.flush()


@contextmanager
def kept_file(reader: Reader, vault: Vault, job: UUID) -> Iterator[IO[bytes]]:
    """The file of an import, in a temporary file that has no name. Raises SealError."""
    query = select(ImportPartRow).where(ImportPartRow.import_id == job)
    parts = query.order_by(col(ImportPartRow.part)).execution_options(yield_per=4)
    with TemporaryFile() as file:
        for row in reader.execute(parts).scalars():
            file.write(vault.unwrap(seal_name(job, row.part), row.sealed))
        yield file


def seal_name(job: UUID, part: int) -> str:
    """Under which name a piece of a file is sealed."""
    return f"import:{job}:{part}"


def lease(writer: Writer, worker: UUID, now: datetime) -> ImportRow | None:
    """The oldest import that this worker has or that nobody works on, kept for it for a while."""
    query = text(
        "UPDATE import SET worker = :worker, leased_until = :until WHERE id = ("
        " SELECT id FROM import WHERE state = 'running'"
        " AND (worker = :worker OR worker IS NULL OR leased_until < :now)"
        " ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
    )
    asked = {"worker": worker, "now": now, "until": now + LEASE}
    found = writer.execute(query, asked).scalar()
    return writer.get(ImportRow, found) if found is not None else None


def prolong(writer: Writer, job: ImportRow, now: datetime) -> bool:
    """Keep an import for its worker for longer; False where it was cancelled or another has it."""
    query = text(
        "UPDATE import SET leased_until = :until"
        " WHERE id = :id AND worker = :worker AND state = 'running' RETURNING id"
    )
    asked = {"until": now + LEASE, "id": job.id, "worker": job.worker}
    return writer.execute(query, asked).scalar() is not None


def give_back(writer: Writer, worker: UUID) -> None:
    """Leave what this worker has to others at once."""
    writer.execute(
        text("UPDATE import SET leased_until = NULL, worker = NULL WHERE worker = :worker"),
        {"worker": worker},
    )


def counted(writer: Writer, job: UUID, rows: int, now: datetime) -> None:
    """A table was read through once: so many rows, whoever counts them."""
    writer.execute(
        text("UPDATE import SET rows = :rows, changed_at = :now WHERE id = :id"),
        {"rows": rows, "now": now, "id": job},
    )


def advance(
    writer: Writer, job: ImportRow, lines: Sequence[Line], now: datetime, *, ended: bool
) -> bool:
    """Write down what became of the rows after `job.position`; False where another did.

    A dry run keeps the refused rows alone. At its end an import's file is forgotten, except
    that of a dry run, which can still be taken in.
    """
    refused = sum(bool(line.refusals) for line in lines)
    moved = writer.execute(
        text(
            "UPDATE import SET position = :last, accepted = accepted + :accepted,"
            " refused = refused + :refused, changed_at = :now,"
            " state = CASE WHEN state = 'running' AND :ended THEN 'done' ELSE state END"
            " WHERE id = :id AND worker = :worker AND position = :position RETURNING state"
        ),
        {
            "last": lines[-1].row if lines else job.position,
            "accepted": len(lines) - refused,
            "refused": refused,
            "now": now,
            "ended": ended,
            "id": job.id,
            "worker": job.worker,
            "position": job.position,
        },
    ).scalar()
    if moved is None:
        return False
    told = [
        {
            "import_id": job.id,
            "row": line.row,
            "number": line.number,
            "refusals": [{"field": r.field, "message": r.message} for r in line.refusals],
        }
        for line in lines
        if line.refusals or not job.dry_run
    ]
    if told:
        writer.execute(
            text(
                "INSERT INTO import_line SELECT * FROM"
                " jsonb_populate_recordset(NULL::import_line, CAST(:lines AS jsonb))"
            ),
            {"lines": as_json(told)},
        )
    if moved != State.RUNNING and not job.dry_run:
        forget_file(writer, job.id)
    return True


def fail(writer: Writer, job: ImportRow, reason: str, now: datetime) -> None:
    """The table cannot be taken in."""
    writer.execute(
        text(
            "UPDATE import SET state = 'failed', reason = :reason, changed_at = :now"
            " WHERE id = :id AND worker = :worker AND state = 'running'"
        ),
        {"reason": reason, "now": now, "id": job.id, "worker": job.worker},
    )
    forget_file(writer, job.id)


def start_over(row: ImportRow, writer: Writer, now: datetime) -> None:
    """Take in what was tried in a dry run."""
    writer.execute(text("DELETE FROM import_line WHERE import_id = :id"), {"id": row.id})
    row.dry_run, row.state, row.changed_at = False, State.RUNNING.value, now
    row.position = row.accepted = row.refused = 0
    row.worker = row.leased_until = None


def forget_file(writer: Writer, job: UUID) -> None:
    """Forget what stood in a table."""
    writer.execute(text("DELETE FROM import_part WHERE import_id = :id"), {"id": job})


def has_file(reader: Reader, job: UUID) -> bool:
    """Whether the table is still kept."""
    query = select(ImportPartRow.part).where(ImportPartRow.import_id == job).limit(1)
    return reader.execute(query).scalar() is not None


def lines_of(
    reader: Reader, job: UUID, after: int, limit: int, *, refused: bool
) -> Sequence[ImportLineRow]:
    """What became of the rows after one of them, in order."""
    conditions: list[Any] = [ImportLineRow.import_id == job, col(ImportLineRow.row) > after]
    if refused:
        conditions.append(col(ImportLineRow.number).is_(None))
    query = select(ImportLineRow).where(*conditions).order_by(col(ImportLineRow.row)).limit(limit)
    return reader.execute(query).scalars().all()


def ahead(reader: Reader, job: UUID, position: int, window: int) -> int:
    """How many tickets of an import's last rows nobody has classified yet."""
    query = text(
        "SELECT count(*) FROM import_line l JOIN ticket t USING (number)"
        " WHERE l.import_id = :id AND l.row > :after AND t.classified_version = 0"
    )
    return int(reader.execute(query, {"id": job, "after": position - window}).scalar_one())
