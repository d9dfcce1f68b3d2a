"""Accounts and sessions of the pages: who signs in, and for how long.

Passwords are kept as argon2id hashes. A session ends after half an hour without use and after
a shift; what the browser holds is a random value of which only the hash is stored.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import text
from sqlmodel import col, select

from services.desk.tables import AccountRow, SessionRow
from shared.auth import UNIT_SLUG
from shared.database import Database, Reader, Writer
from shared.roles import Role

IDLE: Final = timedelta(minutes=30)
SHIFT: Final = timedelta(hours=12)
SHORTEST: Final = 8
LONGEST_NAME: Final = 40
SEEN_EVERY: Final = timedelta(minutes=1)
"""How often a session's use is written down."""

HASHER: Final = PasswordHasher()
_NOBODY: Final = HASHER.hash(secrets.token_hex(8))
"""Checked where there is no such account, so that time does not tell."""


class AccountError(ValueError):
    """An account that cannot be made or changed so; the sentence is Chinese."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in; `csrf` stands in every form they are shown.

    `name` is what the services call them, `called` what people do. `token` is their issuer's,
    None where the pages make one.
    """

    name: str
    role: Role
    unit: str | None
    must_change: bool
    csrf: str
    key: str
    called: str
    token: str | None = None


def add_account(
    writer: Writer,
    name: str,
    role: Role,
    unit: str | None,
    password: str,
    now: datetime,
    *,
    must_change: bool = True,
) -> None:
    """A new account, with a first password that has to be changed. Raises AccountError."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise AccountError(f"账号须为1到{LONGEST_NAME}个可见字符")
    if (role is Role.UNIT) != (unit is not None) or (unit and not UNIT_SLUG.fullmatch(unit)):
        raise AccountError("单位账号须写明单位，其他账号不写")
    if role is Role.SYSTEM:
        raise AccountError("程序不登录页面，请用令牌")
    if writer.get(AccountRow, name) is not None:
        raise AccountError(f"已有账号“{name}”")
    _check(password)
    row = AccountRow(
        name=name,
        role=role,
        unit=unit,
        password_hash=HASHER.hash(password),
        must_change=must_change,
        created_at=now,
    )
    writer.add(row)


def _check(password: str) -> None:
    if not SHORTEST <= len(password) <= 200:
        raise AccountError(f"密码至少{SHORTEST}个字符")


def sign_in(
    database: Database, name: str, password: str, now: datetime
) -> tuple[AccountRow, str] | None:
    """The account and a new session's cookie; None for a wrong name or password.

    While the password is hashed no connection is held: the others' pages need them.
    """
    with database.reading() as reader:
        known = reader.get(AccountRow, name)
        hashed = known.password_hash if known else _NOBODY
    if not _matches(hashed, password):
        return None
    with database.writing() as writer:
        account = writer.get(AccountRow, name)
        if account is None or account.disabled or account.password_hash != hashed:
            return None
        return account, _open(writer, account, now)


def _open(writer: Writer, account: AccountRow, now: datetime) -> str:
    writer.execute(text("DELETE FROM session WHERE created_at < :old"), {"old": now - SHIFT})
    cookie = secrets.token_urlsafe(32)
    writer.add(
        SessionRow(
            key=key_of(cookie),
            account=account.name,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
        )
    )
    return cookie


def visitor_of(writer: Writer, cookie: str, now: datetime, *, active: bool) -> Visitor | None:
    """Who a cookie stands for, None where its session is over; `active` prolongs it."""
    query = (
        select(SessionRow, AccountRow)
        .join(AccountRow, col(AccountRow.name) == col(SessionRow.account))
        .where(
            col(SessionRow.key) == key_of(cookie),
            col(SessionRow.seen_at) > now - IDLE,
            col(SessionRow.created_at) > now - SHIFT,
            col(AccountRow.disabled).is_(False),
        )
    )
    found = writer.execute(query).one_or_none()
    if found is None:
        return None
    session, account = found
    if active and now - session.seen_at > SEEN_EVERY:
        session.seen_at = now
        writer.add(session)
    return Visitor(
        account.name,
        Role(account.role),
        account.unit,
        account.must_change,
        session.csrf,
        session.key,
        account.name,
    )


def sign_out(writer: Writer, key: str) -> None:
    """End a session."""
    writer.execute(text("DELETE FROM session WHERE key = :key"), {"key": key})


def change_password(writer: Writer, name: str, key: str, old: str, new: str, now: datetime) -> None:
    """Another password; every other session of the account ends. Raises AccountError."""
    query = select(AccountRow).where(AccountRow.name == name).with_for_update()
    account = writer.execute(query).scalar_one()
    if not _matches(account.password_hash, old):
        raise AccountError("原密码不对")
    if hmac.compare_digest(old.encode(), new.encode()):
        raise AccountError("新密码不能与原密码相同")
    _check(new)
    account.password_hash, account.must_change = HASHER.hash(new), False
    writer.add(account)
    others = "DELETE FROM session WHERE account = :name AND key <> :key"
    writer.execute(text(others), {"name": name, "key": key})


def reset_password(writer: Writer, name: str, password: str) -> None:
    """A first password again; every session of the account ends. Raises AccountError."""
    account = writer.get(AccountRow, name)
    if account is None:
        raise AccountError(f"没有账号“{name}”")
    _check(password)
    account.password_hash, account.must_change = HASHER.hash(password), True
    writer.add(account)
    writer.execute(text("DELETE FROM session WHERE account = :name"), {"name": name})


def disable(writer: Writer, name: str) -> None:
    """Let an account sign in no more. Raises AccountError."""
    account = writer.get(AccountRow, name)
    if account is None:
        raise AccountError(f"没有账号“{name}”")
    account.disabled = True
    writer.add(account)
    writer.execute(text("DELETE FROM session WHERE account = :name"), {"name": name})


def every_account(reader: Reader) -> list[AccountRow]:
    """All accounts by name."""
    return list(reader.execute(select(AccountRow).order_by(col(AccountRow.name))).scalars())


def _matches(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def key_of(cookie: str) -> str:
    """What of a session's cookie is stored."""
    return hashlib.sha256(cookie.encode()).hexdigest()
