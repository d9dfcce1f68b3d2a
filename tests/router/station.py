"""A router in this process as the tests use it: what it hears, its clients, and its database.

Its relay does not run, so that the outbox keeps everything the router has said.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import text

from services.router.clockwork import due_cases, fire_due
from services.router.domain.routing import Rules
from services.router.http.centre import Centre
from services.router.service import ROUTER
from services.router.work import working
from shared.auth import issue_token
from shared.bus import Received, Record
from shared.consume import ConsumerLoop
from shared.dangers import load_dangers
from shared.database import Database
from shared.envelope import Message, headers_of, parse
from shared.events import (
    ABSTAINED,
    CLASSIFICATIONS,
    CLASSIFIED,
    DANGER_HEARD,
    TICKET_CLOSED,
    TICKET_REOPENED,
    TICKET_URGED,
    TICKETS,
    Channel,
    Classification,
    Danger,
    DangerHeard,
    Kind,
    Payload,
    SaidIn,
    Ticket,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from shared.roles import Role
from shared.service import Running, prepare
from shared.settings import Settings
from shared.taxonomy import load_taxonomy

LAMP = "grid.street_lighting"
"""Goes to urban-management; power and the street assist."""
STALLS = "grid.street_order"
"""Goes to the street; urban-management, market and police assist."""
TRAPPED = "safety.elevator_trapped"
"""Goes to lift-rescue; market, fire and the street assist."""
HERE = "迎水里3号楼"
"""In the street wangdingdi."""
ELSEWHERE = "和平区南京路"

NUMBERS = itertools.count(1)
OFFSETS = itertools.count()

Json = dict[str, Any]
Response = Any
"""An answer of the test client, which is of httpx2 or of httpx2."""


def new_number() -> str:
    """A ticket's number nobody has used."""
    return f"NK20261123-{next(NUMBERS):06d}"


def words_of(number: str) -> str:
    """What this ticket says and no other: it is part of no event by its words."""
    return "".join(
        chr(letter) for letter in random.Random(number).sample(range(0x4E00, 0x9FA0), 12)
    )


def classified(number: str, leaf: str = LAMP, **fields: Any) -> Classification:
    """A classified ticket. `fields` are the classification's or its ticket's."""
    of_ticket = {name: fields.pop(name) for name in tuple(fields) if name in Ticket.model_fields}
    known = load_taxonomy()[leaf]
    ticket = Ticket(
        number=number,
        version=1,
        received_at=datetime.now(UTC),
        channel=Channel.HOTLINE,
        kind=Kind.HELP,
        text=words_of(number),
        address=HERE,
    )
    said = Classification(
        ticket=ticket.model_copy(update=of_ticket),
        leaf=leaf,
        category=known.category,
        priority=known.priority,
        probability=0.93,
        abstained=False,
        decided_by="model",
        model_version="m1",
        decided_at=datetime.now(UTC),
    )
    return said.model_copy(update=fields)


def urged(number: str, note: str = "怎么还没人来") -> TicketUrged:
    """The caller asks again."""
    return TicketUrged(number=number, version=2, urges=1, note=note, at=datetime.now(UTC))


def closed(number: str, outcome: str = "solved") -> TicketClosed:
    """The call-back ended the ticket."""
    return TicketClosed(number=number, version=3, outcome=outcome, at=datetime.now(UTC))


def reopened(number: str, round: int = 1) -> TicketReopened:
    """The caller says it is not solved."""
    return TicketReopened(
        number=number, version=3, round=round, reason="没有修好", at=datetime.now(UTC)
    )


def heard(number: str, kind: str, clause: str = "刚才出的事", **fields: Any) -> DangerHeard:
    """Danger in words that were said later."""
    danger = Danger(kind=kind, clause=clause)
    said = DangerHeard(
        number=number,
        danger=danger,
        priority=load_dangers()[kind].priority,
        said_in=SaidIn.URGE,
        said_at=datetime.now(UTC),
        model_version="m1",
    )
    return said.model_copy(update=fields)


def received(payload: Payload) -> Received:
    """A payload as it comes from the bus."""
    match payload:
        case Classification(ticket=ticket, abstained=abstained):
            topic, number = CLASSIFICATIONS, ticket.number
            type_ = ABSTAINED if abstained else CLASSIFIED
        case DangerHeard(number=number):
            topic, type_ = CLASSIFICATIONS, DANGER_HEARD
        case TicketUrged(number=number):
            topic, type_ = TICKETS, TICKET_URGED
        case TicketClosed(number=number):
            topic, type_ = TICKETS, TICKET_CLOSED
        case TicketReopened(number=number):
            topic, type_ = TICKETS, TICKET_REOPENED
        case _:
            raise AssertionError(payload)
    now = datetime.now(UTC)
    headers = headers_of(uuid4(), type_, "test", number, now, None)
    record = Record(topic, number, payload.model_dump_json().encode(), headers)
    return Received(record, 0, next(OFFSETS))


def messages(*payloads: Payload) -> list[Message]:
    """Payloads as a handler gets them."""
    parsed = [parse(received(payload)) for payload in payloads]
    return [message for message in parsed if message is not None]


class Station:
    """The router with clients of every role."""

    def __init__(self, settings: Settings, running: Running, client: TestClient) -> None:
        self.settings = settings
        self.running = running
        self.client = client
        runtime = running.runtime
        self.consumers = {
            subscription.topics[0]: ConsumerLoop(
                subscription, runtime.bus, runtime.database, {}, runtime.relay.wake
            )
            for subscription in running.parts.subscriptions
        }

    @property
    def database(self) -> Database:
        """The router's own database."""
        return self.running.runtime.database

    def hear(self, *payloads: Payload) -> list[Received]:
        """Consume payloads of one topic as one batch; gives what was consumed."""
        batch = [received(payload) for payload in payloads]
        self.hear_again(batch)
        return batch

    def hear_again(self, batch: Sequence[Received]) -> None:
        """Consume what the bus delivers, perhaps once more."""
        self.consumers[batch[0].record.topic].handle(batch)

    def opened(self, leaf: str = LAMP, **fields: Any) -> str:
        """The number of a new case."""
        number = new_number()
        self.hear(classified(number, leaf, **fields))
        return number

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with self.database.reading() as reader:
            return [tuple(row) for row in reader.execute(text(query), parameters)]

    def value(self, query: str, **parameters: object) -> Any:
        """The one value of a query."""
        ((found,),) = self.rows(query, **parameters)
        return found

    def state(self, number: str) -> str:
        """The state of a case."""
        return str(self.value("SELECT state FROM case_record WHERE number = :n", n=number))

    def facts(self, number: str) -> list[str]:
        """What has happened to a case."""
        found = self.rows("SELECT fact FROM case_log WHERE number = :n ORDER BY id", n=number)
        return [fact for (fact,) in found]

    def queues(self, number: str) -> dict[str, tuple[str, bool]]:
        """Role and openness of a case itself, without its whistles, in each queue."""
        query = (
            "SELECT unit, item ->> 'role', open FROM queue_entry WHERE number = :n AND whistle = ''"
        )
        return {unit: (role, is_open) for unit, role, is_open in self.rows(query, n=number)}

    def said(self, number: str) -> list[tuple[str, str]]:
        """Topic and type of every event about a case, in their order."""
        query = "SELECT topic, type FROM outbox WHERE key = :n ORDER BY id"
        return [(topic, type_) for topic, type_ in self.rows(query, n=number)]

    def header(
        self, role: Role, unit: str | None = None, name: str | None = None
    ) -> dict[str, str]:
        """The Authorization header of somebody of this role."""
        return {"Authorization": f"Bearer {issue_token(self.settings, role, unit=unit, name=name)}"}

    def get(self, path: str, role: Role = Role.DISPATCHER, unit: str | None = None) -> Response:
        """GET under /api."""
        return self.client.get(f"/api{path}", headers=self.header(role, unit))

    def post(
        self, path: str, body: object, role: Role = Role.DISPATCHER, unit: str | None = None
    ) -> Response:
        """POST under /api."""
        return self.client.post(f"/api{path}", json=body, headers=self.header(role, unit))

    def give(
        self,
        number: str,
        command: str,
        *,
        unit: str | None = None,
        role: Role | None = None,
        name: str | None = None,
        **body: object,
    ) -> Response:
        """A command of a unit, or of a dispatcher where no unit is named."""
        role = role or (Role.UNIT if unit else Role.DISPATCHER)
        path = f"/api/cases/{number}/{command}"
        return self.client.post(path, json=body, headers=self.header(role, unit, name))

    def done(self, number: str, command: str, **given: Any) -> Json:
        """The case after a command that is carried out."""
        answer = self.give(number, command, **given)
        assert answer.status_code == 200, answer.text
        case: Json = answer.json()["case"]
        return case

    def answered(self, unit: str = "urban-management", **fields: Any) -> str:
        """The number of a case that its lead has answered and another has verified."""
        number = self.opened(**fields)
        for command in ("accept", "contact", "reply"):
            self.done(number, command, unit=unit, note="已处理")
        self.done(number, "verify", unit=unit, name="李四")
        return number

    def fire(self, now: datetime) -> int:
        """One round of a clock worker at an instant; how many steps were taken."""
        with working(self.database, self.rules, now) as work:
            return fire_due(work, due_cases(work.writer, now))

    @property
    def rules(self) -> Rules:
        """What this router decides by."""
        centre = self.running.parts.state
        assert isinstance(centre, Centre)
        return centre.rules


@contextmanager
def open_station(settings: Settings) -> Iterator[Station]:
    """A router for the length of a block."""
    prepare(settings, "router")
    running = Running(ROUTER, settings, workers=False, api=True)
    try:
        with TestClient(running.app, raise_server_exceptions=False) as client:
            yield Station(settings, running, client)
    finally:
        running.runtime.bus.close()
        running.runtime.database.close()
