"""A running intake as the tests use it: its clients, its database, and what others tell it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.intake.drafts import Draft
from services.intake.projection import apply
from services.intake.service import INTAKE
from services.intake.storing import Outcome, Store
from services.intake.vault import Vault
from shared.auth import issue_token
from shared.envelope import Message
from shared.events import (
    CLASSIFIED,
    Case,
    CaseEvent,
    CaseFact,
    CaseState,
    Category,
    Certainty,
    Channel,
    Classification,
    Disposition,
    Kind,
    Payload,
    Place,
    Priority,
    Ticket,
    Whistle,
    WhistleEvent,
    WhistleFact,
    WhistleKind,
    WhistleState,
)
from shared.postgres import database_url, libpq
from shared.roles import Role
from shared.service import Running, prepare
from shared.settings import Settings

Answer = TypeVar("Answer")

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
WORDS = "迎水里3号楼2门501室楼道堆放杂物, 三天没人管"
TABLES = ("ticket", "caller_vault", "idempotency", "callback", "timeline", "caller_read")


class Office:
    """Intake in this process, on databases of its own."""

    def __init__(self, settings: Settings, running: Running, client: TestClient) -> None:
        self.settings = settings
        self.running = running
        self.client = client

    def header(self, role: Role = Role.OPERATOR, unit: str | None = None) -> dict[str, str]:
        """The Authorization header of somebody of this role."""
        return {"Authorization": f"Bearer {issue_token(self.settings, role, unit=unit)}"}

    def get(self, path: str, role: Role = Role.OPERATOR, unit: str | None = None) -> Any:
        """GET under /api."""
        return self.client.get(f"/api{path}", headers=self.header(role, unit))

    def post(
        self, path: str, body: object, role: Role = Role.OPERATOR, key: str | None = None
    ) -> Any:
        """POST under /api, perhaps with an Idempotency-Key."""
        headers = self.header(role) | ({"Idempotency-Key": key} if key is not None else {})
        return self.client.post(f"/api{path}", json=body, headers=headers)

    def submit(self, **fields: object) -> str:
        """The number of a new ticket."""
        answer = self.post("/tickets", {"text": WORDS, **fields})
        assert answer.status_code == 201, answer.text
        number: str = answer.json()["number"]
        return number

    def store(self, *drafts: Draft, vault: Vault | None = None) -> Sequence[Outcome]:
        """What becomes of drafts that another process stores together."""
        url = self.running.runtime.database.url
        store = Store(url, vault or Vault(self.settings), "NK")

        async def once() -> Sequence[Outcome]:
            return await store.store(drafts)

        try:
            return asyncio.run(once())
        finally:
            store.close()

    def in_loop(self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Work on the event loop that intake runs on."""
        assert self.client.portal is not None
        answer: Answer = self.client.portal.call(work)
        return answer

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with self.running.runtime.database.reading() as reader:
            return [tuple(row) for row in reader.execute(text(query), parameters)]

    def counts(self) -> Mapping[str, int]:
        """How many rows each table holds, but for the outbox, which the relay empties."""
        return {
            table: self.rows(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608
            for table in TABLES
        }

    def published(self, number: str) -> list[str]:
        """Payloads about a ticket, on the bus or on their way."""
        with self.running.runtime.database.reading() as reader:
            waiting = reader.execute(
                text("SELECT payload FROM outbox WHERE key = :number"), {"number": number}
            ).scalars()
            payloads = [bytes(row).decode() for row in waiting]
        return payloads + bus_records(self.settings, number)

    def tell(self, *messages: Message) -> None:
        """Let other services say something."""
        with self.running.runtime.database.writing() as writer:
            apply(writer, messages)


def bus_records(settings: Settings, key: str) -> list[str]:
    """Values on the embedded bus under a key."""
    with psycopg.connect(libpq(database_url(settings, "bus"))) as connection:
        found = connection.execute("SELECT value FROM record WHERE key = %s", (key,)).fetchall()
    return [bytes(value).decode() for (value,) in found]


@contextmanager
def open_office(settings: Settings) -> Iterator[Office]:
    """A running intake for the length of a block."""
    prepare(settings, "intake")
    running = Running(INTAKE, settings, workers=True, api=True)
    with running.started(), TestClient(running.app, raise_server_exceptions=False) as client:
        yield Office(settings, running, client)


def ticket(number: str, version: int = 1, **fields: Any) -> Ticket:
    """A ticket as the bus carries it."""
    return Ticket(
        number=number,
        version=version,
        received_at=NOW,
        channel=Channel.HOTLINE,
        kind=Kind.HELP,
        text=WORDS,
    ).model_copy(update=fields)


def classification(number: str, version: int = 1, **fields: Any) -> Classification:
    """A classification as the classifier says it."""
    return Classification(
        ticket=ticket(number, version),
        leaf="property.corridor_clutter",
        category=Category.PROPERTY,
        priority=Priority.P3,
        probability=0.93,
        abstained=False,
        reasons=("堆放杂物",),
        decided_by="model",
        model_version="m1",
        decided_at=NOW,
    ).model_copy(update=fields)


def case_event(
    number: str, version: int, state: CaseState = CaseState.DISPATCHED, **fields: Any
) -> CaseEvent:
    """A case event as the router says it; `fields` are the case's."""
    case = Case(
        number=number,
        version=version,
        ticket_version=1,
        round=0,
        state=state,
        disposition=Disposition.DISPATCH,
        priority=Priority.P3,
        leaf="property.corridor_clutter",
        category=Category.PROPERTY,
        place=Place(certainty=Certainty.EXACT, street="wangdingdi"),
        lead_unit="wangdingdi",
        policy_version="p1",
        calendar_version="c1",
    ).model_copy(update=fields)
    return CaseEvent(case=case, actor="system", unit=case.lead_unit, note="已派", at=NOW)


def message(payload: Payload, number: str, at: datetime = NOW) -> Message:
    """The payload as a consumer gets it."""
    match payload:
        case Classification():
            type_ = CLASSIFIED
        case WhistleEvent():
            type_ = WhistleFact.ACKNOWLEDGED.event_type
        case _:
            type_ = CaseFact.DISPATCHED.event_type
    return Message(id=uuid4(), type=type_, key=number, time=at, trace=None, payload=payload)


def whistle_event(number: str) -> WhistleEvent:
    """A called unit has acknowledged an emergency whistle."""
    whistle = Whistle(
        number=f"{number}-W1",
        ticket_number=number,
        version=4,
        kind=WhistleKind.EMERGENCY,
        state=WhistleState.DISPATCHED,
        street="wangdingdi",
        place=Place(certainty=Certainty.EXACT, street="wangdingdi"),
        blown_by="system",
        blown_at=NOW,
        policy_version="p1",
        calendar_version="c1",
    )
    return WhistleEvent(whistle=whistle, actor="李四", unit="fire", concerns="fire", at=NOW)


def dispatched(number: str, lead: str = "wangdingdi", *assist: str) -> Message:
    """The ticket goes to a lead unit and perhaps to others."""
    return message(case_event(number, 1, lead_unit=lead, assist_units=assist), number)
