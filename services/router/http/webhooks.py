"""Webhooks over HTTP: a unit says where it wants to be told of its queue, and how that goes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID, uuid4

import httpx2
from fastapi import Path, Query, Response
from pydantic import AfterValidator, BaseModel, StringConstraints
from pydantic_core import PydanticCustomError
from sqlalchemy import func
from sqlmodel import col, select

from services.router.domain.webhooks import is_allowed, literal, may_reach, shown
from services.router.http.centre import Centre, Router
from services.router.http.queues import OwnQueue
from services.router.storage import deliveries
from services.router.storage.deliveries import DeliveryState, WebhookState
from services.router.storage.tables import DeliveryRow, WebhookRow
from services.router.storage.webhook_secrets import opened, sealed
from shared.bodies import Body
from shared.database import Reader, Writer
from shared.problems import Problem, not_found
from shared.roles import Role
from shared.sealing import SealError
from shared.web import Caller, allow, api_router, local_times

MOST: Final = 5
"""Webhooks of one unit."""
OWNERS: Final = (Role.UNIT, Role.SUPERVISOR)
"""Who may know of a unit's webhooks. Its queue may hold complaints about the grid centre."""


def _sound(url: str) -> str:
    try:
        parsed = httpx2.URL(url)
        port = parsed.port
    except (httpx2.InvalidURL, ValueError):
        parsed, port = httpx2.URL(""), None
    if port is not None and not 0 < port < 1 << 16:
        raise PydanticCustomError("no_address", "端口要在 1 到 65535 之间")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise PydanticCustomError("no_address", "要写成 https://主机/路径 的样子")
    if parsed.userinfo or parsed.fragment:
        raise PydanticCustomError("no_address", "地址里不能有用户名、口令和 # 后的内容")
    return url


class NewWebhook(Body):
    """Where a unit wants to be told."""

    url: Annotated[
        str,
        StringConstraints(max_length=500, pattern=r"^https?://[\x21-\x7e]+$"),
        AfterValidator(_sound),
    ]


class WebhookView(BaseModel):
    """A webhook and how it does; `failures` counts tries in a row that found no receiver."""

    id: str
    unit: str
    url: str
    state: WebhookState
    reason: str | None
    failures: int
    resting_until: datetime | None
    waiting: int
    dead: int
    created_by: str
    created_at: datetime


class WebhookSecret(BaseModel):
    """A webhook with the secret that signs its deliveries, which is shown only now."""

    webhook: WebhookView
    secret: str


class DeliveryView(BaseModel):
    """An entry of the queue on its way: its last try, and the next one."""

    number: str
    whistle: str | None
    seq: int
    state: DeliveryState
    attempts: int
    next_try: datetime | None
    status: int | None
    error: str | None
    changed_at: datetime


class DeliveryPage(BaseModel):
    """Deliveries by their changes; `next` is the `after` of the following page."""

    items: Sequence[DeliveryView]
    next: int | None


router = api_router(tags=["webhooks"])
WebhookId = Annotated[str, Path(max_length=60)]


@router.post("/units/{unit}/webhooks", status_code=201)
@allow(Role.UNIT)
def add_webhook(unit: OwnQueue, body: NewWebhook, caller: Caller, centre: Router) -> WebhookSecret:
    """Have changes of the unit's queue sent to an address, what is open now first.

    Deliveries are signed after the Standard Webhooks specification.
    """
    _may_be_reached(centre, body.url)
    now = datetime.now(UTC)
    webhook, secret = uuid4(), deliveries.new_secret()
    row = WebhookRow(
        id=webhook,
        unit=unit,
        url=body.url,
        secret=sealed(centre.seals, webhook, secret),
        state=WebhookState.ACTIVE,
        resting_until=now,
        created_by=caller.subject,
        created_at=now,
    )
    with centre.database.writing() as writer:
        held = func.pg_advisory_xact_lock(func.hashtext(f"hotline.webhooks.{unit}"))
        writer.execute(select(held))
        known = select(func.count()).select_from(WebhookRow).where(WebhookRow.unit == unit)
        if writer.execute(known).scalar_one() >= MOST:
            raise Problem(409, f"每个单位最多 {MOST} 个推送地址", slug="too-many-webhooks")
        deliveries.new_webhook(writer, row)
        view = _views(writer, [row])[0]
    return WebhookSecret(webhook=view, secret=shown(secret))


@router.get("/units/{unit}/webhooks")
@allow(*OWNERS)
def webhooks(unit: OwnQueue, centre: Router, caller: Caller) -> list[WebhookView]:
    """A unit's webhooks and how each does."""
    query = select(WebhookRow).where(WebhookRow.unit == unit)
    with centre.database.reading() as reader:
        rows = reader.execute(query.order_by(col(WebhookRow.created_at))).scalars().all()
        return _views(reader, rows)


@router.delete("/units/{unit}/webhooks/{webhook}", status_code=204)
@allow(*OWNERS)
def remove_webhook(unit: OwnQueue, webhook: WebhookId, centre: Router, caller: Caller) -> Response:
    """Send nothing more to an address, and forget it."""
    with centre.database.writing() as writer:
        deliveries.remove(writer, _found(writer, unit, webhook).id)
    return Response(status_code=204)


@router.post("/units/{unit}/webhooks/{webhook}/pause")
@allow(*OWNERS)
def pause_webhook(
    unit: OwnQueue, webhook: WebhookId, centre: Router, caller: Caller
) -> WebhookView:
    """Deliver nothing until it is resumed; what changes meanwhile is told then."""
    with centre.database.writing() as writer:
        row = _found(writer, unit, webhook)
        row.state, row.reason = WebhookState.PAUSED, None
        return _views(writer, [row])[0]


@router.post("/units/{unit}/webhooks/{webhook}/resume")
@allow(*OWNERS)
def resume_webhook(
    unit: OwnQueue, webhook: WebhookId, centre: Router, caller: Caller
) -> WebhookView:
    """Deliver again, at once."""
    with centre.database.writing() as writer:
        row = _found(writer, unit, webhook)
        row.state, row.reason, row.failures = WebhookState.ACTIVE, None, 0
        row.resting_until = datetime.now(UTC)
        return _views(writer, [row])[0]


@router.post("/units/{unit}/webhooks/{webhook}/replay")
@allow(*OWNERS)
def replay_webhook(
    unit: OwnQueue, webhook: WebhookId, centre: Router, caller: Caller
) -> WebhookView:
    """Try what was given up once more."""
    with centre.database.writing() as writer:
        row = _found(writer, unit, webhook)
        deliveries.replay(writer, row.id, datetime.now(UTC))
        return _views(writer, [row])[0]


@router.post("/units/{unit}/webhooks/{webhook}/secret")
@allow(Role.UNIT)
def renew_secret(
    unit: OwnQueue, webhook: WebhookId, centre: Router, caller: Caller
) -> WebhookSecret:
    """A new secret. For a day the old one signs beside it, if it still can."""
    secret = deliveries.new_secret()
    with centre.database.writing() as writer:
        row = _found(writer, unit, webhook, held=True)
        row.old_secret = row.secret if _opens(centre, row) else None
        row.old_until = datetime.now(UTC) + deliveries.BOTH_SECRETS
        row.secret = sealed(centre.seals, row.id, secret)
        view = _views(writer, [row])[0]
    return WebhookSecret(webhook=view, secret=shown(secret))


def _opens(centre: Centre, row: WebhookRow) -> bool:
    """Whether a secret can sign: one whose key is lost would keep the new one from it too."""
    try:
        opened(centre.seals, row.id, row.secret)
    except SealError:
        return False
    return True


@router.get("/units/{unit}/webhooks/{webhook}/deliveries")
@allow(*OWNERS)
def webhook_deliveries(
    unit: OwnQueue,
    webhook: WebhookId,
    centre: Router,
    caller: Caller,
    state: DeliveryState | None = None,
    after: Annotated[int, Query(ge=0, le=10**15)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DeliveryPage:
    """What is on its way to an address, what has arrived, and what was given up."""
    with centre.database.reading() as reader:
        row = _found(reader, unit, webhook)
        query = select(DeliveryRow).where(
            DeliveryRow.webhook == row.id, col(DeliveryRow.seq) > after
        )
        if state is not None:
            query = query.where(DeliveryRow.state == state)
        found = reader.execute(query.order_by(col(DeliveryRow.seq)).limit(limit)).scalars().all()
        items = list(map(_delivery, found))
    return DeliveryPage(items=items, next=items[-1].seq if len(items) == limit else None)


def _may_be_reached(centre: Centre, url: str) -> None:
    """Refuse at once what is refused at every try. Raises Problem."""
    parsed = httpx2.URL(url)
    address = literal(parsed.host)
    if address is not None:
        reachable = may_reach(address, centre.reachable)
        allowed = is_allowed(address, centre.reachable)
    elif parsed.scheme == "https" or centre.reachable:
        return  # a name: what it stands for is looked at when it is used
    else:
        reachable, allowed = True, False
    if not reachable:
        detail = "这个地址在内网，没有列入允许推送的网段；请联系系统管理员"
        raise Problem(422, detail, slug="target-not-allowed")
    if parsed.scheme != "https" and not allowed:
        raise Problem(422, "公网地址要用 https", slug="target-not-allowed")


def _found(reader: Reader, unit: str, webhook: str, *, held: bool = False) -> WebhookRow:
    try:
        wanted = UUID(webhook)
    except ValueError:
        raise not_found() from None
    query = select(WebhookRow).where(WebhookRow.id == wanted, WebhookRow.unit == unit)
    row = reader.execute(query.with_for_update() if held else query).scalar()
    if row is None:
        raise not_found()
    found: WebhookRow = row
    return found


def _views(reader: Reader, rows: Sequence[WebhookRow]) -> list[WebhookView]:
    if isinstance(reader, Writer):
        reader.flush()
    counted = deliveries.counts(reader, [row.id for row in rows])
    now = datetime.now(UTC)
    return [
        local_times(
            WebhookView(
                id=str(row.id),
                unit=row.unit,
                url=row.url,
                state=WebhookState(row.state),
                reason=row.reason,
                failures=row.failures,
                resting_until=row.resting_until if row.resting_until > now else None,
                waiting=counted.get((row.id, DeliveryState.WAITING), 0),
                dead=counted.get((row.id, DeliveryState.DEAD), 0),
                created_by=row.created_by,
                created_at=row.created_at,
            )
        )
        for row in rows
    ]


def _delivery(row: DeliveryRow) -> DeliveryView:
    waits = row.state == DeliveryState.WAITING
    return local_times(
        DeliveryView(
            number=row.number,
            whistle=row.whistle or None,
            seq=row.seq,
            state=DeliveryState(row.state),
            attempts=row.attempts,
            next_try=row.next_try if waits else None,
            status=row.status,
            error=row.error,
            changed_at=row.changed_at,
        )
    )
