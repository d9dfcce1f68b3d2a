"""The classifier's tables, as its code reads them; their definition is in `migrations/`."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from shared.database import instant
from shared.events import Classification


class VerdictRow(SQLModel, table=True):
    """What was last said of a ticket; `classification` is the whole of what the bus was told."""

    __tablename__ = "verdict"

    number: str = Field(primary_key=True)
    ticket_version: int
    leaf: str
    priority: str
    abstained: bool
    decided_by: str
    decided_at: datetime = Field(sa_column=instant())
    classification: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))

    def said(self) -> Classification:
        """The classification as it was published."""
        return Classification.model_validate(self.classification)


class ReviewRow(SQLModel, table=True):
    """A person's answer where the classifier abstained, or corrected."""

    __tablename__ = "review"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    ticket_version: int
    guessed: str
    leaf: str
    priority: str
    reviewer: str
    at: datetime = Field(sa_column=instant())


class ChoiceRow(SQLModel, table=True):
    """Somebody's choice of models: `active` is in use, `shadow` judges beside it."""

    __tablename__ = "model_choice"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    active: str
    shadow: str | None = None
    deed: str
    actor: str
    at: datetime = Field(sa_column=instant())
