"""Group commit: many requests, one transaction, each answered only after the commit.

No timer gathers the batch: while one transaction commits, the requests that arrive form
the next. When a transaction fails for a reason that may pass, its requests are told to
come again; when it fails otherwise, they are stored one by one so that one bad ticket
does not take others with it.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.intake.contract import Accepted
from services.intake.drafts import Draft
from services.intake.storing import Outcome, store
from services.intake.vault import Vault
from shared.database import Database, is_transient
from shared.metrics import GROUP_COMMIT, TICKETS_RECEIVED
from shared.problems import Problem
from shared.relay import Relay

MAX_BATCH: Final = 256
MAX_WAITING: Final = 2000
"""Requests that may wait for a commit; more are told to come again (503)."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    draft: Draft
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Accepted]"


class GroupCommit:
    """The thread that stores tickets."""

    def __init__(self, database: Database, vault: Vault, relay: Relay, prefix: str) -> None:
        self._database = database
        self._vault = vault
        self._relay = relay
        self._prefix = prefix
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def submit(self, item: Draft) -> Accepted:
        """The receipt, once the ticket is durable. Raises Problem."""
        if not self.is_alive():
            raise _busy()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Accepted] = loop.create_future()
        try:
            self._queue.put_nowait(_Waiting(item, loop, answer))
        except queue.Full:
            raise _busy() from None
        return await answer

    def is_alive(self) -> bool:
        """Whether tickets are being stored."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Store what waits, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            stop = False
            while len(batch) < MAX_BATCH and not stop:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    stop = True
                else:
                    batch.append(item)
            self._answer(batch, self._store([waiting.draft for waiting in batch]))
            if stop:
                return

    def _answer(self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        def resolve() -> None:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(outcome, Exception):
                    waiting.answer.set_exception(outcome)
                else:
                    waiting.answer.set_result(outcome)

        batch[0].loop.call_soon_threadsafe(resolve)

    def _store(self, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        try:
            with self._database.writing() as writer:
                outcomes = store(writer, drafts, self._vault, self._prefix)
        except Exception as error:
            if is_transient(error):
                log.warning("commit_failed", tickets=len(drafts), error=type(error).__name__)
                return [_busy() for _ in drafts]
            if len(drafts) > 1:
                return [outcome for one in drafts for outcome in self._store([one])]
            log.exception("ticket_not_stored")
            return [Problem(500, "工单未能保存, 已记录")]
        self._relay.wake()
        GROUP_COMMIT.observe(len(drafts))
        for item in drafts:
            TICKETS_RECEIVED.labels(item.submission.channel, item.submission.kind).inc()
        return outcomes


def _busy() -> Problem:
    return Problem(503, "系统繁忙, 工单尚未受理, 请重新提交", headers={"Retry-After": "1"})
