"""What the tests of whole stacks do over HTTP and on the bus, as people and departments would."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import httpx2

from deploy.stack import Stack
from shared.bus import Received
from shared.bus.connect import connect_bus
from shared.roles import Role

PATIENCE_SECONDS: Final = 120.0
"""What is to happen is asked, not how soon: on Kafka members that starve are first put out."""
JSON = Mapping[str, Any]
Found = TypeVar("Found")


class Desk:
    """Clients of one stack, one for each role that asks."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._http = httpx2.Client(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        *,
        role: Role = Role.OPERATOR,
        unit: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """One request with a token of a role."""
        headers = {
            "Authorization": f"Bearer {self.stack.token(role, unit, name)}",
            **options.pop("headers", {}),
        }
        url = f"{self.stack.address(service)}/api{path}"
        return self._http.request(method, url, headers=headers, **options)

    def submit(self, text: str, **fields: Any) -> str:
        """Take a ticket in; its number."""
        answer = self.ask("intake", "POST", "/tickets", json={"text": text, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["number"])

    def ticket(self, number: str) -> JSON:
        """A ticket as its operator sees it."""
        answer = self.ask("intake", "GET", f"/tickets/{number}")
        assert answer.status_code == 200, answer.text
        body: JSON = answer.json()
        return body

    def queue(self, unit: str) -> Sequence[JSON]:
        """Everything that is open in a unit's queue, read as that unit."""
        items: list[JSON] = []
        after: dict[str, str] = {}
        while True:
            answer = self.ask(
                "router",
                "GET",
                f"/units/{unit}/queue",
                role=Role.UNIT,
                unit=unit,
                params={"limit": 500, **after},
            )
            page = answer.json()
            items += page["items"]
            if len(page["items"]) < 500:
                return [item for item in items if item["open"]]
            after = {"after": page["cursor"]}

    def until(
        self, number: str, holds: Callable[[JSON], bool], seconds: float = PATIENCE_SECONDS
    ) -> JSON:
        """The ticket once something holds of it."""

        def look() -> JSON | None:
            ticket = self.ticket(number)
            return ticket if holds(ticket) else None

        return eventually(look, seconds)

    def settled(self, number: str, seconds: float = PATIENCE_SECONDS) -> JSON:
        """The ticket once its case stands."""
        return self.until(number, lambda ticket: ticket["case"] is not None, seconds)

    def command(
        self, number: str, command: str, *, role: Role, unit: str | None, name: str, **body: Any
    ) -> JSON:
        """A command on a case that must succeed; the case after it."""
        return self._carried_out("case", number, command, role, unit, name, body)

    def whistle(
        self, number: str, command: str, *, role: Role, unit: str | None, name: str, **body: Any
    ) -> JSON:
        """A command on a whistle that must succeed; the whistle after it."""
        return self._carried_out("whistle", number, command, role, unit, name, body)

    def _carried_out(
        self,
        kind: str,
        number: str,
        command: str,
        role: Role,
        unit: str | None,
        name: str,
        body: JSON,
    ) -> JSON:
        path = f"/{kind}s/{number}/{command}"
        answer = self.ask("router", "POST", path, role=role, unit=unit, name=name, json=body)
        assert answer.status_code == 200, answer.text
        after: JSON = answer.json()[kind]
        return after

    def known(self, number: str) -> JSON | None:
        """A ticket, None where intake does not have it yet."""
        answer = self.ask("intake", "GET", f"/tickets/{number}")
        body: JSON = answer.json()
        return body if answer.status_code == 200 else None

    def metric(self, service: str, name: str) -> float:
        """The sum of a metric over its labels; 0 where it is not there."""
        body = self._http.get(f"{self.stack.address(service)}/metrics").text
        lines = [line for line in body.splitlines() if line.startswith((name + "{", name + " "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


def eventually(look: Callable[[], Found | None], seconds: float = PATIENCE_SECONDS) -> Found:
    """What `look` finds, asked again until then. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing within {seconds} s")
        time.sleep(0.05)


def everything_on(stack: Stack, topics: Sequence[str]) -> Iterator[Received]:
    """All records of these topics, from the first to the last there is now."""
    bus = connect_bus(stack.settings)
    consumer = bus.consumer(f"test-{uuid.uuid4().hex}", topics)
    try:
        deadline = time.monotonic() + 20
        quiet = 0
        while quiet < 3 and time.monotonic() < deadline:
            batch = consumer.poll(1.5)
            quiet = 0 if batch else quiet + 1
            yield from batch
    finally:
        consumer.close()
