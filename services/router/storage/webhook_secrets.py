"""The secrets that sign webhooks' deliveries: at rest each is sealed for its webhook.

The release before kept them in plain, which is told by their length. A worker seals what still
stands so once nobody of that release can be left: sealed, its deliveries would be signed wrong.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from services.router.storage.tables import WebhookRow
from shared.database import Database, Reader
from shared.sealing import Seals
from shared.secrets import local_keys
from shared.settings import Settings

SECRET_BYTES: Final = 32
OVERLAP_SECONDS: Final = 3600.0
"""How long a worker of the release before may still run beside this one."""
SEAL_SECONDS: Final = 600.0
AT_ONCE: Final = 100
"""Webhooks sealed in one transaction, whose workers may have to wait for it."""


def webhook_seals(settings: Settings) -> Seals:
    """The seals of this installation. Raises ValueError where the key is none."""
    return Seals(local_keys(settings.home, "webhook", settings.webhook_key))


def sealed(seals: Seals, webhook: UUID, secret: bytes) -> bytes:
    """A secret as it is kept."""
    return seals.wrap(_name(webhook), secret)


def opened(seals: Seals, webhook: UUID, kept: bytes) -> bytes:
    """A secret as it signs. Raises SealError."""
    return kept if in_plain(kept) else seals.unwrap(_name(webhook), kept)


def in_plain(kept: bytes) -> bool:
    """Whether a secret is kept as the release before did; a seal is longer."""
    return len(kept) == SECRET_BYTES


def seal_anew(database: Database, seals: Seals, *, plain_only: bool = False) -> Iterator[int]:
    """Seal every secret with the first key; says after each step how many webhooks are done.

    With `plain_only` what is sealed stays. A replaced secret that signs no more is forgotten.
    Raises SealError where one opens with none of the keys; that step changes nothing, those
    before it stand.
    """
    with database.reading() as reader:
        ids = reader.execute(select(WebhookRow.id).order_by(col(WebhookRow.id))).scalars().all()
    done = 0
    for start in range(0, len(ids), AT_ONCE):
        chosen = col(WebhookRow.id).in_(ids[start : start + AT_ONCE])
        query = select(WebhookRow).where(chosen).order_by(col(WebhookRow.id)).with_for_update()
        with database.writing() as writer:
            rows = writer.execute(query).scalars()
            done += sum([_seal(row, seals, plain_only=plain_only) for row in rows])
        yield done


def _seal(row: WebhookRow, seals: Seals, *, plain_only: bool) -> bool:
    """Whether anything of a webhook had to be sealed."""

    def is_stale(kept: bytes) -> bool:
        return in_plain(kept) or not (plain_only or kept.startswith(seals.mark))

    def again(kept: bytes) -> bytes:
        return sealed(seals, row.id, opened(seals, row.id, kept))

    changed = False
    if row.old_until is not None and row.old_until <= datetime.now(UTC):
        row.old_secret = row.old_until = None
    if is_stale(row.secret):
        row.secret, changed = again(row.secret), True
    if row.old_secret is not None and is_stale(row.old_secret):
        row.old_secret, changed = again(row.old_secret), True
    return changed


def kept_secrets(reader: Reader) -> Sequence[tuple[UUID, bytes]]:
    """Every secret as it is kept, with its webhook; replaced ones too."""
    rows = reader.execute(select(WebhookRow).order_by(col(WebhookRow.id))).scalars()
    return [
        (row.id, secret)
        for row in rows
        for secret in (row.secret, row.old_secret)
        if secret is not None
    ]


def sealing(database: Database, seals: Seals) -> Callable[[], bool]:
    """A step that seals what stands in plain, once the release before has ended."""
    started = time.monotonic()

    def step() -> bool:
        if time.monotonic() - started >= OVERLAP_SECONDS:
            for _ in seal_anew(database, seals, plain_only=True):
                pass
        return False

    return step


def _name(webhook: UUID) -> str:
    return f"webhook:{webhook}"
