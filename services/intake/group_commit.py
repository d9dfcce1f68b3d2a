"""Group commit: many requests, one transaction, each answered only after the commit.

No timer gathers the batch: while one transaction commits, the requests that arrive form
the next. All of it runs on the event loop that takes the requests, for a thread of its own
would have to win the interpreter from that loop at each answer of the database. When a
transaction fails for a reason that may pass, its requests are told to come again; when it
fails otherwise, they are stored one by one so that one bad ticket does not take others
with it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

import structlog

from services.intake.contract import Accepted
from services.intake.drafts import Draft
from services.intake.storing import Outcome, Store
from shared.database import is_transient
from shared.metrics import GROUP_COMMIT, TICKETS_RECEIVED
from shared.problems import Problem
from shared.relay import Relay

MAX_BATCH: Final = 256
MAX_WAITING: Final = 2000
"""Requests that may wait for a commit; more are told to come again (503)."""
PATIENCE_SECONDS: Final = 10.0
"""How long a transaction may take; whoever waits for a silent server is told to come again."""

log = structlog.get_logger()


class GroupCommit:
    """Stores tickets in turns, on one event loop."""

    def __init__(self, store: Store, relay: Relay, max_waiting: int = MAX_WAITING) -> None:
        self._storing = store
        self._relay = relay
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Draft, asyncio.Future[Accepted]]] = deque()
        self._turns: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Draft) -> Accepted:
        """The receipt, once the ticket is durable. Raises Problem."""
        if self._closed or len(self._waiting) >= self._max_waiting:
            raise _busy()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Accepted] = loop.create_future()
        self._waiting.append((item, answer))
        if self._turns is None or self._turns.done():
            self._turns = loop.create_task(self._take_turns())
        return await answer

    def close(self) -> None:
        """Take no more; for after the event loop, whose last requests have been answered."""
        self._closed = True
        self._storing.close()

    async def _take_turns(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), MAX_BATCH)
            batch = [self._waiting.popleft() for _ in range(size)]
            outcomes = await self._store([item for item, _ in batch])
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if answer.done():  # whoever sent it has gone
                    continue
                if isinstance(outcome, Exception):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)

    async def _store(self, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                outcomes = await self._storing.store(drafts)
        except Exception as error:
            if isinstance(error, TimeoutError) or is_transient(error):
                log.warning("commit_failed", tickets=len(drafts), error=type(error).__name__)
                return [_busy() for _ in drafts]
            if len(drafts) > 1:
                return [outcome for one in drafts for outcome in await self._store([one])]
            log.exception("ticket_not_stored")
            return [Problem(500, "工单未能保存, 已记录")]
        self._relay.wake()
        GROUP_COMMIT.observe(len(drafts))
        kinds = Counter((item.submission.channel, item.submission.kind) for item in drafts)
        for labels, tickets in kinds.items():
            TICKETS_RECEIVED.labels(*labels).inc(tickets)
        return outcomes


def _busy() -> Problem:
    return Problem(503, "系统繁忙, 工单尚未受理, 请重新提交", headers={"Retry-After": "1"})
