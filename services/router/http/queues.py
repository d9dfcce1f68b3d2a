"""The units over HTTP, and their queues by pull, by long poll and by stream."""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from services.router.domain.routing import valid_units
from services.router.http.centre import Centre, Router, discreet
from services.router.http.contract import QueuePage, UnitView
from services.router.storage.queues import (
    BadCursor,
    Page,
    cleared,
    last_seq,
    position,
    read_queue,
    still_protected,
)
from shared.auth import Principal
from shared.calendar import SHANGHAI
from shared.discretion import acts_for
from shared.problems import Problem, not_found
from shared.roles import Role
from shared.web import Caller, allow, api_router, local_times

UnitName = Annotated[str, Path(max_length=60)]

AHEAD: Final = "游标超前于本单位队列（系统可能恢复过数据）；请去掉游标，从当前未办结的条目重新读取"
EXPIRED: Final = "游标过旧，其后办结的条目已清理；请去掉游标，从当前未办结的条目重新读取"
STREAM_LIMIT: Final = 100
STREAM_WAIT_SECONDS: Final = 60.0
"""How long the stream waits before it looks by itself; FastAPI keeps the connection alive."""


async def _own_queue(unit: UnitName, request: Request, centre: Router) -> str:
    """A unit reads its own queue; another's and an unknown one are the same 404."""
    caller: Principal = request.state.caller
    if unit not in centre.rules.policy.units:
        raise not_found()
    if caller.role is Role.UNIT and caller.unit != unit:
        raise not_found()
    return unit


OwnQueue = Annotated[str, Depends(_own_queue)]


async def _resume_after(
    unit: OwnQueue,
    request: Request,
    centre: Router,
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> str | None:
    """Where a reader resumes: `Last-Event-ID` of a broken stream, or `after`.

    A cursor past the head was given by a database that has been restored since: its reader
    would wait in silence for numbers that are given out anew. One from before what is
    forgotten would never hear of what was closed meanwhile.
    """
    cursor = request.headers.get("last-event-id") or after or None
    try:
        at = position(unit, cursor)
    except BadCursor:
        raise Problem(422, "翻页游标不属于本单位队列", slug="bad-cursor") from None
    if at == 0:
        return cursor
    first, head = await run_in_threadpool(_ends, centre, unit, _barred(request.state.caller))
    if at > head:
        raise Problem(410, AHEAD, slug="cursor-ahead")
    if at < first:
        raise Problem(410, EXPIRED, slug="cursor-expired")
    return cursor


def _ends(centre: Centre, unit: str, barred: str | None) -> tuple[int, int]:
    """The numbers between which a cursor can be followed."""
    with centre.database.reading() as reader:
        return cleared(reader, unit), last_seq(reader, unit, barred)


def _barred(caller: Principal) -> str | None:
    """Complaints about whom the caller must not see in a queue: a unit's own holds none."""
    return acts_for(caller.role, None)


Resume = Annotated[str | None, Depends(_resume_after)]

router = api_router(tags=["queues"])


@router.get("/units")
@allow(*Role)
def units(centre: Router, caller: Caller) -> list[UnitView]:
    """The units that can be responsible today."""
    policy = centre.rules.policy
    today = datetime.now(SHANGHAI).date()
    valid = valid_units(policy, today)
    return [
        UnitView(
            slug=unit.slug,
            name=unit.name,
            kind=unit.kind,
            division_code=unit.division_code,
            phone=policy.phone(unit.slug, today),
        )
        for unit in policy.units.values()
        if unit.slug in valid
    ]


@router.get("/units/{unit}/queue")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
async def queue(
    unit: OwnQueue,
    centre: Router,
    caller: Caller,
    after: Resume,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=30)] = 0,
) -> QueuePage:
    """A unit's queue: open entries, or with a cursor what changed since.

    With `wait` an empty answer is held back until something changes, up to that many seconds.
    """
    barred = _barred(caller)
    page = await _read(centre, unit, after, limit, barred)
    if not page.items and wait > 0:
        wait = max(min(wait, caller.expires_at - time.time()), 0)
        page = (await centre.watch.following(unit, page.last, wait, barred)).up_to(limit)
    return await run_in_threadpool(_shown, centre, page, caller)


@router.get("/units/{unit}/queue/cursor")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def queue_cursor(unit: OwnQueue, centre: Router, caller: Caller) -> QueuePage:
    """Where a unit's queue stands now, without its entries: news to come follows from here."""
    _, at = _ends(centre, unit, _barred(caller))
    return QueuePage(unit=unit, items=[], cursor=f"{unit}:{at}")


@router.get("/units/{unit}/queue/stream", response_class=EventSourceResponse)
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
async def queue_stream(
    unit: OwnQueue, centre: Router, caller: Caller, after: Resume
) -> AsyncIterator[ServerSentEvent]:
    """The same queue as server-sent events; `Last-Event-ID` resumes where a reader stopped.

    It ends with the reader's token.
    """
    barred = _barred(caller)
    page = await _read(centre, unit, after, STREAM_LIMIT, barred)
    while (left := caller.expires_at - time.time()) > 0:
        shown = await run_in_threadpool(_shown, centre, page, caller)
        for item in shown.items:
            said = item.model_dump_json()
            yield ServerSentEvent(raw_data=said, event="queue", id=f"{unit}:{item.seq}")
        wait = min(left, STREAM_WAIT_SECONDS)
        page = await centre.watch.following(unit, page.last, wait, barred)


def _shown(centre: Centre, page: Page, caller: Principal) -> QueuePage:
    items = [still_protected(item) for item in page.items]
    view = QueuePage(unit=page.unit, items=items, cursor=page.cursor)
    if items and _barred(caller) is not None:
        with centre.database.reading() as reader:
            view = discreet(reader, view, caller)
    return local_times(view)


async def _read(
    centre: Centre, unit: str, cursor: str | None, limit: int, barred: str | None
) -> Page:
    def read() -> Page:
        with centre.database.reading() as reader:
            return read_queue(reader, unit, cursor, limit, barred)

    return await run_in_threadpool(read)
