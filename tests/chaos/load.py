"""Calls that keep coming: tickets at a steady rate, some amended, each sent until it is taken.

A sender who gets no answer, or is told to come again, comes again under the same key, as
the services ask of their clients.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from deploy.load.texts import Mix, ticket

RATE: Final = 20.0
AMENDED_SHARE: Final = 0.25
ANSWER_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.5
LETTERS: Final = "abcdefghijklmnop"
"""What marks are made of: digits might be taken for a phone and hidden."""
COME_AGAIN: Final = frozenset({429, 503})
DONE: Final = "already-done"
"""Refuses a request that was carried out, but whose answer went down with a process."""


@dataclass
class Call:
    """A ticket as its sender knows it; `mark` and `added` are words that only it has."""

    mark: str
    number: str | None = None
    accepted_at: float = 0.0
    added: str | None = None
    amended: bool = False


class Load:
    """Calls for the length of a block, on a thread of their own; at its end each is answered.

    `calls` are all that were made, `refusals` the answers that were neither yes nor `come again`.
    """

    def __init__(self, address: str, token: str, *, rate: float = RATE, patience: float) -> None:
        self._address = f"{address}/api/tickets"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._rate = rate
        self._patience = patience
        self._random = random.Random()
        self._ending = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.calls: list[Call] = []
        self.refusals: Counter[int] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deadline = time.monotonic() + self._patience
        self._ending.set()
        self._thread.join()

    def accepted(self, before: float = float("inf")) -> set[str]:
        """The numbers of the tickets that were taken until then, on the monotonic clock."""
        calls = list(self.calls)
        return {call.number for call in calls if call.number and call.accepted_at <= before}

    async def _run(self) -> None:
        limits = httpx2.Limits(max_connections=None)
        async with (
            httpx2.AsyncClient(
                timeout=ANSWER_SECONDS, headers=self._headers, limits=limits
            ) as client,
            asyncio.TaskGroup() as calling,
        ):
            due = time.monotonic()
            while not self._ending.is_set():
                calling.create_task(self._call(client))
                due += 1 / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _call(self, client: httpx2.AsyncClient) -> None:
        call = Call(self._mark())
        self.calls.append(call)
        body = dict(ticket(self._random, Mix.ORDINARY))
        body["text"] = f"{body['text']}（来电{call.mark}）"
        answer = await self._until_taken(client, self._address, call.mark, body)
        if answer is None:
            return
        call.accepted_at = time.monotonic()
        call.number = str(answer["number"])
        if self._random.random() < AMENDED_SHARE:
            call.added = self._mark()
            added = {"text": f"再补充一句（补{call.added}）"}
            path = f"{self._address}/{call.number}/amendments"
            answer = await self._until_taken(client, path, call.added, added)
            call.amended = answer is not None

    async def _until_taken(
        self, client: httpx2.AsyncClient, path: str, key: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """What a request is answered once it is taken; None where it is refused or time is up."""
        while time.monotonic() < self._deadline:
            try:
                answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx2.HTTPError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code == httpx2.codes.CREATED:
                taken: Mapping[str, Any] = answer.json()
                return taken
            if answer.status_code == httpx2.codes.CONFLICT and DONE in answer.json()["type"]:
                return {}
            if answer.status_code not in COME_AGAIN:
                self.refusals[answer.status_code] += 1
                if answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
                    return None
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    def _mark(self) -> str:
        return "".join(self._random.choices(LETTERS, k=16))
