"""Telling units of their queues: each receiver by itself, so that a bad one hurts only itself.

Receivers are served side by side on one event loop, each in the order of its unit's feed, with
a time limit on every try. What a receiver answers is not read; a redirect is not followed. The
address that was looked up and allowed is the one that is connected to, whatever the name stands
for a moment later.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid4

import httpx2
import structlog

from services.router.domain.webhooks import (
    Network,
    is_allowed,
    may_reach,
    next_try,
    rest_after,
    signature,
)
from services.router.storage import deliveries
from services.router.storage.deliveries import Delivery, Tried
from services.router.storage.queues import still_protected
from services.router.storage.tables import WebhookRow
from services.router.storage.webhook_secrets import opened
from shared.database import Database
from shared.metrics import WEBHOOK_DELIVERIES
from shared.sealing import SealError, Seals
from shared.web import local_times

PATIENCE_SECONDS: Final = 10.0
"""For one try: looking the name up, connecting, sending, and the head of the answer."""
TURN_SECONDS: Final = 20.0
"""How long one receiver is served before it has to come again; well inside its lease."""
ROUND_SECONDS: Final = 1.0
SIDE_BY_SIDE: Final = 200
LOOK_UPS: Final = 256
"""Threads for names: a name server that hangs keeps only its own receivers waiting."""
PASSING: Final = frozenset({429, 502, 503, 504})
"""Answers that speak of the receiver as a whole, not of what was delivered."""

log = structlog.get_logger()


class Unreachable(Exception):
    """The receiver cannot be asked, or must not be; the words say why."""


class Webhooks:
    """The webhooks of one process; `step` serves those that have something to be told."""

    def __init__(
        self,
        database: Database,
        allowed: Sequence[Network],
        seals: Seals,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._database = database
        self._allowed = allowed
        self._seals = seals
        self._worker = uuid4()
        self._serving: dict[UUID, asyncio.Task[None]] = {}
        self._runner: asyncio.Runner | None = None
        self._names = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-names")
        self._trust = trust or ssl.create_default_context()

    def step(self) -> bool:
        """Serve for a second; whether there is more to do."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._round())

    def close(self) -> None:
        """Break off what is on its way; it is sent again."""
        if self._runner is not None:
            self._runner.close()
        self._names.shutdown(wait=False, cancel_futures=True)

    async def _round(self) -> bool:
        for row in await asyncio.to_thread(self._lease):
            task = asyncio.create_task(self._serve(row))
            self._serving[row.id] = task
        if not self._serving:
            return False
        done, _ = await asyncio.wait(self._serving.values(), timeout=ROUND_SECONDS)
        for webhook, task in list(self._serving.items()):
            if task in done:
                del self._serving[webhook]
                if (error := task.exception()) is not None:
                    log.warning("webhook_failed", error=type(error).__name__, exc_info=error)
        return True

    def _lease(self) -> Sequence[WebhookRow]:
        free = SIDE_BY_SIDE - len(self._serving)
        with self._database.writing() as writer:
            return deliveries.lease(writer, self._worker, datetime.now(UTC), free)

    async def _serve(self, row: WebhookRow) -> None:
        until = time.monotonic() + TURN_SECONDS
        try:
            while time.monotonic() < until:
                found = await asyncio.to_thread(self._next, row)
                if not found or not await self._deliver(row, found, until):
                    return
        finally:
            await asyncio.to_thread(self._give_back, row.id)

    def _next(self, row: WebhookRow) -> Sequence[Delivery]:
        now = datetime.now(UTC)
        with self._database.writing() as writer:
            deliveries.collect(writer, row.id, row.unit, now)
            found = deliveries.due(writer, row.id, row.unit, now)
            if not found:
                deliveries.forget_gone(writer, row.id, row.unit)
        return found

    def _give_back(self, webhook: UUID) -> None:
        with self._database.writing() as writer:
            deliveries.give_back(writer, webhook, self._worker)

    async def _deliver(self, row: WebhookRow, found: Sequence[Delivery], until: float) -> bool:
        """Send one after the other; whether the receiver is well and may be sent more."""
        async with httpx2.AsyncClient(
            verify=self._trust, trust_env=False, follow_redirects=False, timeout=PATIENCE_SECONDS
        ) as client:
            for each in found:
                if time.monotonic() > until:
                    return False
                status, error, wish = await self._try(client, row, each)
                well = status is not None and status not in PASSING
                await asyncio.to_thread(self._record, row, each, status, error, wish)
                if not well or status == HTTPStatus.GONE:
                    return False
        return True

    async def _try(
        self, client: httpx2.AsyncClient, row: WebhookRow, sent: Delivery
    ) -> tuple[int | None, str | None, timedelta | None]:
        """The receiver's status, or what went wrong; and how long it wishes to be left alone."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                request = await self._request(client, row, sent)
                answer = await client.send(request, stream=True)
                with suppress(httpx2.HTTPError):
                    await answer.aclose()
        except TimeoutError:
            return None, f"{PATIENCE_SECONDS:.0f} 秒内没有答复", None
        except Unreachable as error:
            return None, str(error), None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError) as error:
            return None, f"连接失败（{type(error).__name__}）", None
        if answer.is_success:
            return answer.status_code, None, None
        after = answer.headers.get("retry-after", "")
        wish = timedelta(seconds=int(after)) if after.isdecimal() and len(after) < 7 else None
        return answer.status_code, f"答复 {answer.status_code}", wish

    async def _request(
        self, client: httpx2.AsyncClient, row: WebhookRow, sent: Delivery
    ) -> httpx2.Request:
        """The delivery, to the address that the receiver's name has now. Raises Unreachable."""
        url = httpx2.URL(row.url)
        host = url.raw_host.decode()
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._address(host, port, plain=url.scheme != "https")
        body = local_times(still_protected(sent.item)).model_dump_json().encode()
        message, now = f"{row.unit}:{sent.item.seq}", datetime.now(UTC)
        secrets = self._secrets(row, now)
        at = int(now.timestamp())
        return client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={
                "Host": url.netloc.decode(),
                "Content-Type": "application/json",
                "User-Agent": "hotline-webhook",
                "webhook-id": message,
                "webhook-timestamp": str(at),
                "webhook-signature": signature(secrets, message, at, body),
            },
            extensions={"sni_hostname": host},
        )

    def _secrets(self, row: WebhookRow, now: datetime) -> Sequence[bytes]:
        """What signs today, the newest first. Raises Unreachable."""
        kept = [row.secret]
        if row.old_secret is not None and row.old_until is not None and now < row.old_until:
            kept.append(row.old_secret)
        try:
            return [opened(self._seals, row.id, secret) for secret in kept]
        except SealError:
            raise Unreachable("签名密钥打不开，请系统管理员检查 HOTLINE_WEBHOOK_KEY") from None

    async def _address(self, host: str, port: int, *, plain: bool) -> str:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._names, _look_up, host, port)
        except OSError:
            raise Unreachable("域名解析不了") from None
        if not found or not all(may_reach(address, self._allowed) for address in found):
            raise Unreachable("地址在内网，没有列入允许的网段")
        if plain and not all(is_allowed(address, self._allowed) for address in found):
            raise Unreachable("公网地址要用 https")
        return found[0]

    def _record(
        self,
        row: WebhookRow,
        sent: Delivery,
        status: int | None,
        error: str | None,
        wish: timedelta | None,
    ) -> None:
        now = datetime.now(UTC)
        wait = next_try(sent.attempts + 1) if error is not None else None
        tried = Tried(
            status, error, now + wait if wait else None, dead=error is not None and wait is None
        )
        failing = status is None or status in PASSING
        row.failures = row.failures + 1 if failing else 0
        with self._database.writing() as writer:
            deliveries.record(writer, row.id, sent, tried, now)
            rest = now + rest_after(row.failures, wish) if failing else row.resting_until
            deliveries.answered(writer, row.id, row.failures, rest)
            if status == HTTPStatus.GONE:
                deliveries.pause(writer, row.id, "接收方答复 410，已停止推送")
        WEBHOOK_DELIVERIES.labels(row.unit, tried.state).inc()


def _look_up(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
