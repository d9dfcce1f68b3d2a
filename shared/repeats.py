"""A request carried out once, however often it is sent under the same Idempotency-Key.

The key is claimed in the transaction of the request's effects, so that both stand or neither
does; the answer is kept right after. Of two that come together the later waits for the first
one's transaction and is then answered alike. A request that was refused has changed nothing
and claims nothing: it may be sent again.
"""

import hashlib
import inspect
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Request, Response
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from shared.auth import Principal
from shared.database import FIRST, Database, Writer
from shared.problems import Problem

IDEMPOTENCY_KEY: Final = r"^[\x21-\x7e]{1,255}$"
"""What a sender's key for a request looks like."""
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=IDEMPOTENCY_KEY)]
ANSWER_SECONDS: Final = 600
"""How long an answer is given again: what it shows its sender may not be theirs to see for ever."""
FORGET_ANSWERS: Final = (
    "UPDATE request_once SET answer = NULL WHERE answer IS NOT NULL"
    " AND at < now() - make_interval(secs => %s)"
)
PATIENCE_SECONDS: Final = 2.0
"""How long the answer to a request that has just been carried out may take to be kept."""

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given."""

    status: int
    media_type: str | None
    body: bytes


class Repeated(Exception):
    """The request has been carried out meanwhile."""


@dataclass(slots=True)
class Claim:
    """A request under a key of its sender's; `made` once a transaction of it holds the key."""

    subject: str
    key: bytes
    body_hash: bytes
    made: bool = False

    def make(self, writer: Writer) -> None:
        """Claim the key in a transaction. Raises Repeated where another request holds it."""
        claimed = writer.execute(
            text(
                "INSERT INTO request_once (subject, key, body_hash)"
                " VALUES (:subject, :key, :body) ON CONFLICT DO NOTHING RETURNING 1"
            ),
            {"subject": self.subject, "key": self.key, "body": self.body_hash},
        ).first()
        if claimed is None and not self.made:
            raise Repeated
        self.made = True


def claim_of(sender: Principal, path: str, key: str, body: bytes) -> Claim:
    """What a request claims. Keys are kept as hashes, for a sender may put a phone into one.

    A sender is a name in a role and a unit: clerks of two units may be called alike.
    """
    named = "\n".join((sender.role, sender.unit or "", path, key))
    return Claim(
        sender.subject,
        hashlib.sha256(named.encode()).digest(),
        hashlib.sha256(body).digest(),
    )


@contextmanager
def claiming(claim: Claim) -> Iterator[None]:
    """Transactions that write inside the block hold the request's key, the first claims it."""
    token = FIRST.set(claim.make)
    try:
        yield
    finally:
        FIRST.reset(token)


class Repeats:
    """What one service has carried out under keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, claim: Claim) -> Kept | None:
        """What the same request was answered; None where it was not carried out yet.

        Raises Problem where the key was used for another body, and where the answer is over or
        was lost with the process that should have kept it.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with self._database.reading() as reader:
                row = reader.execute(
                    text(
                        "SELECT body_hash, status, media_type, answer,"
                        " at < now() - make_interval(secs => :kept) AS over"
                        " FROM request_once WHERE subject = :subject AND key = :key"
                    ),
                    {"subject": claim.subject, "key": claim.key, "kept": ANSWER_SECONDS},
                ).first()
            if row is None:
                return None
            if row.body_hash != claim.body_hash:
                detail = "这个 Idempotency-Key 已用于另一个请求，这次没有执行；请换一个"
                raise Problem(422, detail, slug="idempotency-key-reused")
            answered = row.status is not None and row.answer is not None
            if answered and not row.over:
                return Kept(row.status, row.media_type, row.answer)
            if row.over or time.monotonic() > deadline:
                raise Problem(409, "这个请求已经执行过，请刷新查看结果", slug="already-done")
            time.sleep(0.05)

    def keep(self, claim: Claim, kept: Kept) -> None:
        """Keep the answer of a request that was carried out."""
        with self._database.writing() as writer:
            writer.execute(
                text(
                    "UPDATE request_once SET status = :status, media_type = :media, answer = :body"
                    " WHERE subject = :subject AND key = :key"
                ),
                {
                    "status": kept.status,
                    "media": kept.media_type,
                    "body": kept.body,
                    "subject": claim.subject,
                    "key": claim.key,
                },
            )


async def idempotency_key(_: IdempotencyKey = None) -> None:
    """The sender's own name for a request, that it may be sent again without acting again."""


def names_its_requests(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint does itself what `Idempotency-Key` asks for."""
    return "idempotency_key" in inspect.signature(endpoint).parameters


async def once(
    request: Request, caller: Principal, key: str, repeats: Repeats, handle: Handle
) -> Response:
    """The answer to a request that is carried out once under its key."""
    body = await request.body()
    claim = claim_of(caller, request.url.path, key, body)
    if (kept := await run_in_threadpool(repeats.answer, claim)) is not None:
        return Response(kept.body, kept.status, media_type=kept.media_type)
    try:
        with claiming(claim):
            response = await handle(request)
    except Repeated:
        return await once(request, caller, key, repeats, handle)
    if claim.made:
        kept = Kept(response.status_code, response.media_type, bytes(response.body))
        await run_in_threadpool(repeats.keep, claim, kept)
    return response
