"""News for an open page: what has come into the desk's queue, as server-sent events.

The stream of the router's queue is passed on without what only people may open; a page learns
that something is new, how urgent it is and where to find it. Waiting prolongs no session.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import httpx2
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from services.desk.accounts import Visitor
from services.desk.alerts import alerts_for
from services.desk.remote import Refused
from services.desk.visit import COOKIE, Desk, Pages, Worker, page, who_is
from shared.discretion import acts_for

BEAT_SECONDS: Final = 15.0
"""A page that hears nothing for three of these knows that the connection is gone."""
GONE: Final = (httpx2.codes.GONE, httpx2.codes.UNPROCESSABLE_CONTENT)
"""How the router refuses a cursor that is not, or no longer, of this queue."""

router = APIRouter()


@router.get("/alerts")
def alerts(visitor: Worker, desk: Pages) -> Response:
    """The strip of a page as it would be now: a part of one."""
    return page(desk, visitor, "_strip.html", alerts=alerts_for(desk.services, visitor))


@router.get("/events")
async def events(
    request: Request, visitor: Worker, desk: Pages, after: str = ""
) -> StreamingResponse:
    """What changes in the visitor's queue from now on, or after a cursor."""
    unit = acts_for(visitor.role, visitor.unit)
    assert unit is not None
    cookie = request.cookies[COOKIE]
    return StreamingResponse(
        _news(desk, visitor, unit, after or request.headers.get("last-event-id", ""), cookie),
        media_type="text/event-stream",
    )


async def _news(
    desk: Desk, visitor: Visitor, unit: str, after: str, cookie: str
) -> AsyncIterator[str]:
    """The events for a page. It ends where the router does; the page comes again by itself."""
    address = desk.services.stream_address(unit)
    headers = desk.services.authorization(visitor)
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
            yield _event("beat")
            identity, item = "", ""
            async for line in _with_pauses(aiter(answer.aiter_lines())):
                if line is None or line.startswith(":"):
                    if await who_is(desk, cookie, active=False) is None:
                        yield _event("over")
                        return
                    yield _event("beat")
                elif line.startswith("id:"):
                    identity = line[3:].strip()
                elif line.startswith("data:"):
                    item = line[5:]
                elif not line and item:
                    yield _event("news", _told(json.loads(item)), identity)
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
