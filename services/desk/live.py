"""News for an open page: what has come into the desk's queue, as server-sent events.

The stream of the router's queue is passed on without what only people may open; a page learns
that something is new, how urgent it is and where to find it. Waiting prolongs no session.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Final

import httpx2
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from starlette.concurrency import run_in_threadpool

from services.desk.accounts import Visitor
from services.desk.alerts import alerts_for
from services.desk.presence import still_open
from services.desk.remote import Refused
from services.desk.visit import COOKIE, Desk, Pages, Worker, page, who_is
from shared.discretion import acts_for

BEAT_SECONDS: Final = 15.0
"""A page that hears nothing for three of these knows that the connection is gone."""
Number = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,8}\d{8}-\d{6,12}(-[1-9])?$")]
MOST_OPEN: Final = 8
"""Cases open in one browser of which others are told."""
GONE: Final = (httpx2.codes.GONE, httpx2.codes.UNPROCESSABLE_CONTENT)
"""How the router refuses a cursor that is not, or no longer, of this queue."""

router = APIRouter()


@router.get("/alerts")
def alerts(visitor: Worker, desk: Pages) -> Response:
    """The strip of a page as it would be now: a part of one."""
    return page(desk, visitor, "_strip.html", alerts=alerts_for(desk.services, visitor))


@router.get("/events")
async def events(
    request: Request,
    visitor: Worker,
    desk: Pages,
    after: str = "",
    case: Annotated[Sequence[Number], Query(max_length=MOST_OPEN)] = (),
) -> StreamingResponse:
    """What changes in the visitor's queue from now on, or after a cursor.

    Each `case` is open in the visitor's browser: who else has it open is told too.
    """
    listener = Listener(desk, request.cookies[COOKIE], visitor, case)
    after = after or request.headers.get("last-event-id", "")
    return StreamingResponse(_news(listener, after), media_type="text/event-stream")


@dataclass(slots=True)
class Listener:
    """A browser that listens: whose it is, which cases are open in it, what it knows of others."""

    desk: Desk
    cookie: str
    visitor: Visitor
    cases: Sequence[str]
    told: Mapping[str, str] = field(default_factory=dict)

    async def here(self, changed: Collection[str] = ()) -> str:
        """Who else has the same cases open, where that is news; empty where it is not."""
        if not self.cases:
            return ""
        database, services = self.desk.database, self.desk.services
        told = await run_in_threadpool(
            still_open, database, services, self.visitor, self.cases, changed
        )
        if told == self.told:
            return ""
        self.told = told
        return _event("here", {**told})

    async def signed_in(self) -> bool:
        """Whether the session goes on."""
        found = await who_is(self.desk, self.cookie, active=False)
        self.visitor = found or self.visitor
        return found is not None


async def _news(listener: Listener, after: str) -> AsyncIterator[str]:
    """The events for a page. It ends where the router does; the page comes again by itself."""
    services, visitor = listener.desk.services, listener.visitor
    unit = acts_for(visitor.role, visitor.unit)
    assert unit is not None
    address = services.stream_address(unit)
    headers = services.authorization(visitor)
    query = {"after": after} if after else {}
    timeout = httpx2.Timeout(5.0, read=None)
    with suppress(httpx2.HTTPError, Refused):
        async with (
            httpx2.AsyncClient(timeout=timeout) as client,
            client.stream("GET", address, headers=headers, params=query) as answer,
        ):
            if answer.status_code in GONE:
                yield _event("reset")
            if answer.status_code != httpx2.codes.OK:
                return
            yield _event("beat") + await listener.here()
            identity, item = "", ""
            async for line in _with_pauses(aiter(answer.aiter_lines())):
                if line is None or line.startswith(":"):
                    if not await listener.signed_in():
                        yield _event("over")
                        return
                    yield _event("beat") + await listener.here()
                elif line.startswith("id:"):
                    identity = line[3:].strip()
                elif line.startswith("data:"):
                    item = line[5:]
                elif not line and item:
                    told = _told(json.loads(item))
                    yield _event("news", told, identity)
                    if told["number"] in listener.cases and (
                        others := await listener.here({str(told["number"])})
                    ):
                        yield others
                    item = ""


async def _with_pauses(lines: AsyncIterator[str]) -> AsyncIterator[str | None]:
    """Lines as they come, and None whenever there was none for a while."""
    coming = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=BEAT_SECONDS)
            if not done:
                yield None
                continue
            line = coming.result()
            if line is None:
                return
            yield line
            coming = asyncio.ensure_future(anext(lines, None))
    finally:
        coming.cancel()


def _event(name: str, told: dict[str, object] | None = None, identity: str = "") -> str:
    at = f"id: {identity}\n" if identity else ""
    return f"{at}event: {name}\ndata: {json.dumps(told or {})}\n\n"


def _told(item: dict[str, object]) -> dict[str, object]:
    """What a page may know of an entry before it is opened."""
    case, whistle = item["case"], item.get("whistle")
    assert isinstance(case, dict)
    return {
        "number": case["number"],
        "priority": case["priority"],
        "open": item["open"],
        "whistle": whistle["number"] if isinstance(whistle, dict) else None,
    }
