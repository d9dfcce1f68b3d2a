"""Sessions of visitors whom an issuer vouches for: as long as it does, and no longer than others.

The issuer's tokens are sealed with a key that follows from the browser's cookie, of which only a
hash is stored: who reads the database acts in nobody's name.
"""

import asyncio
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from services.desk.accounts import IDLE, SEEN_EVERY, SHIFT, Visitor, key_of
from services.desk.issuer import ANSWER_SECONDS, Issuer
from services.desk.remote import Refused
from services.desk.tables import IssuedSessionRow
from services.desk.vouched import Unanswered, Unsaid, Vouched
from shared.auth import Principal
from shared.database import Database, Writer
from shared.roles import Role

EARLY: Final = timedelta(seconds=30)
"""How long before its end a token is renewed, beside the requests."""
LEASE: Final = timedelta(seconds=2 * ANSWER_SECONDS)
"""How long one process alone renews a session's tokens: an issuer may take each only once."""
LOOK_AGAIN: Final = 0.5
NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Held:
    """An issuer's session as it is stored, opened with its cookie."""

    cookie: str
    csrf: str
    vouched: Vouched
    expires_at: datetime

    def visitor(self) -> Visitor:
        """Who it stands for."""
        of = self.vouched.principal
        key, called, token = key_of(self.cookie), self.vouched.called, self.vouched.access
        return Visitor(of.subject, of.role, of.unit, False, self.csrf, key, called, token)


def open_issued(writer: Writer, vouched: Vouched, now: datetime) -> str:
    """A new session's cookie."""
    old = "DELETE FROM issued_session WHERE created_at < :old"
    writer.execute(text(old), {"old": now - SHIFT})
    cookie = secrets.token_urlsafe(32)
    of = vouched.principal
    row = IssuedSessionRow(
        key=key_of(cookie),
        subject=of.subject,
        called=vouched.called,
        role=of.role,
        unit=of.unit,
        csrf=secrets.token_urlsafe(24),
        sealed=_sealed(vouched, cookie),
        expires_at=_end_of(of, now),
        created_at=now,
        seen_at=now,
    )
    writer.add(row)
    return cookie


def held_by(writer: Writer, cookie: str, now: datetime, *, active: bool) -> Held | None:
    """The session of a cookie, its token ended or not; `active` prolongs it."""
    query = select(IssuedSessionRow).where(
        col(IssuedSessionRow.key) == key_of(cookie),
        col(IssuedSessionRow.seen_at) > now - IDLE,
        col(IssuedSessionRow.created_at) > now - SHIFT,
    )
    row = writer.execute(query).scalar_one_or_none()
    if row is None:
        return None
    if active and now - row.seen_at > SEEN_EVERY:
        row.seen_at = now
        writer.add(row)
    principal = Principal(row.subject, Role(row.role), row.unit, row.expires_at.timestamp())
    access, refresh, identity = _opened(row.sealed, cookie)
    vouched = Vouched(principal, row.called, access, refresh, identity)
    return Held(cookie, row.csrf, vouched, row.expires_at)


def end_issued(writer: Writer, key: str) -> None:
    """End a session."""
    writer.execute(text("DELETE FROM issued_session WHERE key = :key"), {"key": key})


async def issued_visitor(
    database: Database, issuer: Issuer, cookie: str, *, active: bool
) -> Visitor | None:
    """Who a cookie stands for, None where its session or the issuer's word is over.

    A token is renewed beside the requests while it is good; a request waits only for one that
    has ended. Raises Refused 503 where it has and the issuer does not answer.
    """

    def look() -> Held | None:
        with database.writing() as writer:
            return held_by(writer, cookie, datetime.now(UTC), active=active)

    held = await run_in_threadpool(look)
    now = datetime.now(UTC)
    if held is None or held.expires_at > now + EARLY:
        return held.visitor() if held else None
    good = held.expires_at > now
    if held.vouched.refresh is None:
        return held.visitor() if good else None
    ours = await run_in_threadpool(_claimed, database, held, now)
    if good:
        if ours:
            issuer.beside(_renewed(database, issuer, held))
        return held.visitor()
    if ours:
        await _renewed(database, issuer, held)
    until = now + LEASE / 2
    while datetime.now(UTC) < until:
        found = await run_in_threadpool(look)
        if found is None or found.expires_at > datetime.now(UTC):
            return found.visitor() if found else None
        if ours:
            break
        await asyncio.sleep(LOOK_AGAIN)
    raise Refused(503, "统一身份平台没有应答，暂时不能确认您的身份。写的内容还在，请稍后再试。")


def _claimed(database: Database, held: Held, now: datetime) -> bool:
    """Whether it is for us to renew this token: nobody else is at it or has done so."""
    claim = """UPDATE issued_session SET renewing_until = :until
        WHERE key = :key AND expires_at = :ends
        AND (renewing_until IS NULL OR renewing_until < :now)"""
    given = {"key": key_of(held.cookie), "ends": held.expires_at, "now": now, "until": now + LEASE}
    with database.writing() as writer:
        return bool(writer.execute(text(claim + " RETURNING 1"), given).first())


async def _renewed(database: Database, issuer: Issuer, held: Held) -> None:
    """Renew a session's tokens; where the issuer refuses, it ends with the token it has."""
    try:
        vouched = await issuer.renew(held.vouched)
    except Unanswered:
        return
    except Unsaid:
        if held.expires_at <= datetime.now(UTC):
            await run_in_threadpool(_end, database, held)
        return
    await run_in_threadpool(_stored, database, held, vouched)


def _end(database: Database, held: Held) -> None:
    with database.writing() as writer:
        end_issued(writer, key_of(held.cookie))


def _stored(database: Database, held: Held, vouched: Vouched) -> None:
    of = vouched.principal
    change = """UPDATE issued_session SET role = :role, unit = :unit, called = :called,
        sealed = :sealed, expires_at = :ends, renewing_until = NULL WHERE key = :key"""
    given = {
        "key": key_of(held.cookie),
        "role": str(of.role),
        "unit": of.unit,
        "called": vouched.called,
        "sealed": _sealed(vouched, held.cookie),
        "ends": _end_of(of, datetime.now(UTC)),
    }
    with database.writing() as writer:
        writer.execute(text(change), given)


def _end_of(principal: Principal, now: datetime) -> datetime:
    """When a token ends, or the shift where that is sooner."""
    return datetime.fromtimestamp(min(principal.expires_at, (now + SHIFT).timestamp()), UTC)


def _cipher(cookie: str) -> AESGCM:
    return AESGCM(hashlib.sha256(b"hotline issued session\0" + cookie.encode()).digest())


def _sealed(vouched: Vouched, cookie: str) -> bytes:
    nonce = os.urandom(NONCE)
    tokens = json.dumps([vouched.access, vouched.refresh, vouched.identity]).encode()
    return nonce + _cipher(cookie).encrypt(nonce, tokens, None)


def _opened(sealed: bytes, cookie: str) -> tuple[str, str | None, str]:
    access, refresh, identity = json.loads(
        _cipher(cookie).decrypt(sealed[:NONCE], sealed[NONCE:], None)
    )
    return access, refresh, identity
