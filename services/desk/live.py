"""News for an open page: what has come into the desk's queue, as server-sent events.

The stream of the router's queue is passed on without what only people may open; a page learns
that something is new, how urgent it is and where to find it. Waiting prolongs no session.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import httpx2
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.desk.accounts import Visitor, visitor_of
from services.desk.visit import COOKIE, Desk, Pages, Worker
from shared.discretion import acts_for

BEAT_SECONDS: Final = 15.0
"""A page that hears nothing for three of these knows that the connection is gone."""

router = APIRouter()


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
    headers = desk.services.authorization(visitor)
    query = {"after": after} if after else {}
    timeout = httpx2.Timeout(5.0, read=None)
    async with httpx2.AsyncClient(timeout=timeout) as client:
        address = desk.services.stream_address(unit)
        async with client.stream("GET", address, headers=headers, params=query) as answer:
            if answer.status_code != httpx2.codes.OK:
                yield "event: reset\ndata: {}\n\n"
                return
            lines = aiter(answer.aiter_lines())
            pending: asyncio.Task[str] | None = None
            identity = ""
            try:
                while True:
                    pending = pending or asyncio.ensure_future(anext(lines))
                    done, _ = await asyncio.wait({pending}, timeout=BEAT_SECONDS)
                    if not done:
                        if not await _still_signed_in(desk, cookie):
                            yield "event: over\ndata: {}\n\n"
                            return
                        yield "event: beat\ndata: {}\n\n"
                        continue
                    line, pending = pending.result(), None
                    if line.startswith("id:"):
                        identity = line[3:].strip()
                    if line.startswith("data:"):
                        yield _told(json.loads(line[5:]), identity)
            except StopAsyncIteration:
                return
            finally:
                if pending is not None:
                    pending.cancel()


async def _still_signed_in(desk: Desk, cookie: str) -> bool:
    def read() -> bool:
        with desk.database.writing() as writer:
            return visitor_of(writer, cookie, datetime.now(UTC), active=False) is not None

    return await run_in_threadpool(read)


def _told(item: dict[str, object], identity: str) -> str:
    case = item["case"]
    whistle = item.get("whistle")
    assert isinstance(case, dict)
    news = {
        "number": case["number"],
        "priority": case["priority"],
        "open": item["open"],
        "fact": item.get("fact"),
        "role": item.get("role"),
        "whistle": whistle["number"] if isinstance(whistle, dict) else None,
    }
    at = f"id: {identity}\n" if identity else ""
    return f"{at}event: news\ndata: {json.dumps(news)}\n\n"
