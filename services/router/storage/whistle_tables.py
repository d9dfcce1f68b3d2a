"""The tables of whistles, as the router's code reads them; defined in `migrations/`."""

from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from services.router.domain.clocks import Clock
from services.router.domain.whistles.records import WhistleRecord
from shared.database import instant

RECORD: Final = TypeAdapter(WhistleRecord)
CLOCKLESS: Final = {"clocks"}
"""A whistle's clocks stand in the table of clocks."""


class WhistleRow(SQLModel, table=True):
    """A whistle; `details` is the whole record, the other columns are what queries ask for."""

    __tablename__ = "whistle"

    number: str = Field(primary_key=True)
    ticket_number: str
    version: int
    kind: str
    state: str
    street: str
    units: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    blown_at: datetime = Field(sa_column=instant())

    def record(self, clocks: tuple[Clock, ...]) -> WhistleRecord:
        """The whistle as the rules see it."""
        return RECORD.validate_python({**self.details, "clocks": clocks})


WHISTLE_COLUMNS: Final = (
    *("number", "ticket_number", "version", "kind", "state", "street", "units"),
    *("details", "blown_at"),
)


def whistle_values(whistle: WhistleRecord) -> tuple[object, ...]:
    """A whistle as a row of WHISTLE_COLUMNS."""
    return (
        whistle.number,
        whistle.ticket_number,
        whistle.version,
        whistle.summons.kind.value,
        whistle.state.value,
        whistle.street,
        [called.unit for called in whistle.units],
        RECORD.dump_json(whistle, exclude=CLOCKLESS).decode(),
        whistle.blown_at,
    )


class WhistleLogRow(SQLModel, table=True):
    """A change of a whistle: what, about which called unit, by whom, why."""

    __tablename__ = "whistle_log"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    whistle: str
    version: int
    fact: str
    concerns: str | None
    actor: str
    unit: str | None
    note: str
    detail: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=instant())
