"""A new key for the vault, while intake goes on: what is sealed is sealed anew, bit by bit.

What is done shows in the seals themselves, so that an interrupted run is taken up where it
stopped. A caller's fingerprint follows the key; until all are done both are looked for.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import case, func
from sqlmodel import col, select

from services.intake.imports.ledger import seal_name
from services.intake.tables import CallerVaultRow, ImportPartRow
from services.intake.vault import Vault
from shared.database import Database, Reader, Writer
from shared.sealing import MARK_BYTES, VERSION, WITHOUT_ID

AT_ONCE: Final = 500
"""Contacts sealed anew in one transaction, for which an amendment may have to wait."""
PIECES_AT_ONCE: Final = 8
"""Pieces of imported files, which are large."""


def rotate(database: Database, vault: Vault) -> Iterator[int]:
    """Seal everything with the vault's first key; says after each step how much is done.

    Raises SealError where something opens with none of its keys; that step changes nothing,
    those before it stand.
    """
    done = 0
    after: str | None = ""
    while after is not None:
        with database.writing() as writer:
            changed, after = _contacts(writer, vault, after)
        done += changed
        yield done
    changed = PIECES_AT_ONCE
    while changed == PIECES_AT_ONCE:
        with database.writing() as writer:
            changed = _pieces(writer, vault)
        done += changed
        yield done


def _contacts(writer: Writer, vault: Vault, after: str) -> tuple[int, str | None]:
    """Seal the next contacts anew: how many, and the last of them, None where no more follow."""
    number = col(CallerVaultRow.number)
    old = func.substr(CallerVaultRow.sealed, 1, len(vault.mark)) != vault.mark
    query = select(CallerVaultRow).where(old, number > after).order_by(number).limit(AT_ONCE)
    rows = writer.execute(query.with_for_update()).scalars().all()
    for row in rows:
        content = vault.open(row.number, row.sealed)
        row.sealed = vault.seal(row.number, content)
        if row.fingerprint is not None and content.phone is not None:
            row.fingerprint = next(iter(vault.fingerprints(content.phone)), None)
    return len(rows), rows[-1].number if len(rows) == AT_ONCE else None


def _pieces(writer: Writer, vault: Vault) -> int:
    old = func.substr(ImportPartRow.sealed, 1, len(vault.mark)) != vault.mark
    query = select(ImportPartRow).where(old).limit(PIECES_AT_ONCE).with_for_update()
    rows = writer.execute(query).scalars().all()
    for row in rows:
        name = seal_name(row.import_id, row.part)
        row.sealed = vault.wrap(name, vault.unwrap(name, row.sealed))
    return len(rows)


def sealed_by(reader: Reader) -> Mapping[bytes, int]:
    """How many contacts and pieces begin with each mark; those without a key's id together."""
    found: dict[bytes, int] = {}
    for sealed in (col(CallerVaultRow.sealed), col(ImportPartRow.sealed)):
        has_id = func.substr(sealed, 1, len(VERSION)) == VERSION
        mark = case((has_id, func.substr(sealed, 1, MARK_BYTES)), else_=WITHOUT_ID)
        for value, count in reader.execute(select(mark, func.count()).group_by(mark)):
            found[bytes(value)] = found.get(bytes(value), 0) + count
    return found


def sample_opens(reader: Reader, vault: Vault, size: int) -> int:
    """Open so many contacts chosen by chance, and say how many those were. Raises SealError."""
    query = select(CallerVaultRow).order_by(func.random()).limit(size)
    opened = [vault.open(row.number, row.sealed) for row in reader.execute(query).scalars()]
    return len(opened)
