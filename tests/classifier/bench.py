"""A classifier in this process as the tests use it: what it hears, its client, its database.

Its relay does not run, so that the outbox keeps everything it has said.
"""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import text

from services.classifier.service import CLASSIFIER
from shared.auth import issue_token
from shared.bus import Received, Record
from shared.consume import ConsumerLoop
from shared.database import Database
from shared.envelope import headers_of
from shared.events import (
    TICKET_AMENDED,
    TICKET_RECEIVED,
    TICKET_URGED,
    TICKETS,
    Channel,
    Classification,
    Kind,
    Ticket,
    TicketAmended,
    TicketReceived,
    TicketUrged,
)
from shared.roles import Role
from shared.service import Running, prepare
from shared.settings import Settings

LAMP = "迎水里3号楼门口路灯不亮"
"""The model is sure of it."""
VAGUE = "麻烦你们处理一下那件事"
"""The model is not."""
DANGER = "着火了，三楼冒烟"
"""A rule knows it for P0."""

NUMBERS = itertools.count(1)
OFFSETS = itertools.count()

Said = TicketReceived | TicketAmended | TicketUrged
Response = Any
"""An answer of the test client, which is of httpx2 or of httpx2."""


def new_number() -> str:
    """A ticket's number nobody has used."""
    return f"NK20261123-{next(NUMBERS):06d}"


def ticket(number: str, words: str = LAMP, version: int = 1, **fields: Any) -> Ticket:
    """A ticket as intake tells of it."""
    return Ticket(
        number=number,
        version=version,
        received_at=datetime.now(UTC),
        channel=Channel.HOTLINE,
        kind=Kind.HELP,
        text=words,
    ).model_copy(update=fields)


def taken(number: str, words: str = LAMP, **fields: Any) -> TicketReceived:
    """A ticket is received."""
    return TicketReceived(ticket=ticket(number, words, **fields))


def amended(
    number: str, before: str, added: str | None, version: int = 2, **fields: Any
) -> TicketAmended:
    """The caller adds something to a ticket that read `before`."""
    whole = before if added is None else f"{before}\n{added}"
    return TicketAmended(ticket=ticket(number, whole, version, **fields), added_text=added)


def urged(number: str, note: str = "") -> TicketUrged:
    """The caller asks again."""
    return TicketUrged(number=number, version=2, urges=1, note=note, at=datetime.now(UTC))


def received(said: Said) -> Received:
    """A payload as it comes from the bus."""
    match said:
        case TicketReceived():
            number, type_ = said.ticket.number, TICKET_RECEIVED
        case TicketAmended():
            number, type_ = said.ticket.number, TICKET_AMENDED
        case TicketUrged():
            number, type_ = said.number, TICKET_URGED
    headers = headers_of(uuid4(), type_, "test", number, datetime.now(UTC), None)
    record = Record(TICKETS, number, said.model_dump_json().encode(), headers)
    return Received(record, 0, next(OFFSETS))


class Bench:
    """The classifier with clients of every role."""

    def __init__(self, settings: Settings, running: Running, client: TestClient) -> None:
        self.settings = settings
        self.running = running
        self.client = client
        runtime = running.runtime
        subscription = running.parts.subscriptions[0]
        self.consumer = ConsumerLoop(
            subscription, runtime.bus, runtime.database, {}, runtime.relay.wake
        )

    @property
    def database(self) -> Database:
        """The classifier's own database."""
        return self.running.runtime.database

    def hear(self, *said: Said) -> Sequence[Received]:
        """Consume payloads as one batch; gives what was consumed."""
        batch = [received(one) for one in said]
        self.consumer.handle(batch)
        return batch

    def vague(self) -> str:
        """The number of a ticket that waits for a person."""
        number = new_number()
        self.hear(taken(number, VAGUE))
        return number

    def said(self, number: str) -> list[tuple[str, Classification]]:
        """Type and payload of every event about a ticket, in their order."""
        query = "SELECT type, payload FROM outbox WHERE key = :n ORDER BY id"
        return [
            (type_.split(".")[2], Classification.model_validate_json(payload))
            for type_, payload in self.rows(query, n=number)
        ]

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with self.database.reading() as reader:
            return [tuple(row) for row in reader.execute(text(query), parameters)]

    def header(self, role: Role, name: str | None = None) -> dict[str, str]:
        """The Authorization header of somebody of this role."""
        unit = "fire" if role is Role.UNIT else None
        return {"Authorization": f"Bearer {issue_token(self.settings, role, unit=unit, name=name)}"}

    def get(self, path: str, role: Role = Role.DISPATCHER) -> Response:
        """GET under /api."""
        return self.client.get(f"/api{path}", headers=self.header(role))

    def post(
        self, path: str, body: object, role: Role = Role.DISPATCHER, name: str | None = None
    ) -> Response:
        """POST under /api."""
        return self.client.post(f"/api{path}", json=body, headers=self.header(role, name))


@contextmanager
def open_bench(settings: Settings, trained: Path) -> Iterator[Bench]:
    """A classifier for the length of a block, with the model of another home."""
    prepare(settings, "classifier")
    shutil.copytree(trained, settings.home / "classifier", dirs_exist_ok=True)
    running = Running(CLASSIFIER, settings, workers=False, api=True)
    try:
        with TestClient(running.app, raise_server_exceptions=False) as client:
            yield Bench(settings, running, client)
    finally:
        running.runtime.bus.close()
        running.runtime.database.close()
