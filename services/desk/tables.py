"""The desk's tables; their definition is in `migrations/`."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from shared.database import instant


class AccountRow(SQLModel, table=True):
    """Somebody who may sign in; the columns failures and locked_until are no longer read."""

    __tablename__ = "account"

    name: str = Field(primary_key=True)
    role: str
    unit: str | None
    password_hash: str
    must_change: bool
    disabled: bool = False
    created_at: datetime = Field(sa_column=instant())


class SessionRow(SQLModel, table=True):
    """A browser that is signed in; `key` is the hash of what its cookie holds."""

    __tablename__ = "session"

    key: str = Field(primary_key=True)
    account: str
    csrf: str
    created_at: datetime = Field(sa_column=instant())
    seen_at: datetime = Field(sa_column=instant())


class IssuedSessionRow(SQLModel, table=True):
    """A browser whose visitor an issuer vouches for until `expires_at`.

    `sealed` holds the issuer's tokens; only who has the cookie can open it.
    """

    __tablename__ = "issued_session"

    key: str = Field(primary_key=True)
    subject: str
    called: str
    role: str
    unit: str | None
    csrf: str
    sealed: bytes
    expires_at: datetime = Field(sa_column=instant())
    renewing_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    created_at: datetime = Field(sa_column=instant())
    seen_at: datetime = Field(sa_column=instant())
