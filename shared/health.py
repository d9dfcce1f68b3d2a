"""Whether a process runs, whether it is ready, and its figures: the routes for who looks after it.

Readiness asks every part a service needs, all at once, and does not wait for one that is frozen.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READY_SECONDS: Final = 0.8
"""How long readiness waits for its checks: who asks after it gives up after a second."""

Check = Callable[[], bool | str]
"""Whether a part is well; a sentence where it can say what is wrong."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Health:
    """What a service needs to be ready: named checks, each a question to another part."""

    service: str
    version: str
    checks: Mapping[str, Check]


def _told(result: bool | str) -> str:
    return result if isinstance(result, str) else "ok" if result else "failed"


class _Asking:
    """Checks that are asked side by side, each by one thread at most, and not waited for long.

    A part that is frozen must not freeze who asks after it, nor take up a thread a question.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._asked: dict[str, asyncio.Task[bool | str]] = {}
        self._threads = CapacityLimiter(len(checks) + 1)

    async def answers(self) -> Mapping[str, bool | str]:
        """What each check says now; a sentence where it says nothing in time."""
        asked = {name: self._ask(name) for name in self._checks}
        await asyncio.wait(asked.values(), timeout=READY_SECONDS)
        return {name: self._answer(name, asking) for name, asking in asked.items()}

    def _ask(self, name: str) -> asyncio.Task[bool | str]:
        """The question that is still open, whoever asked it, else a new one."""
        asked = self._asked.get(name)
        if asked is None or asked.done():
            asking = to_thread.run_sync(
                self._checks[name], abandon_on_cancel=True, limiter=self._threads
            )
            asked = self._asked[name] = asyncio.create_task(asking)
        return asked

    def _answer(self, name: str, asked: asyncio.Task[bool | str]) -> bool | str:
        if not asked.done():
            return f"no answer within {READY_SECONDS} s"
        if (error := asked.exception()) is not None:
            log.warning("check_failed", check=name, error=type(error).__name__)
            return False
        return asked.result()


def operations(health: Health) -> APIRouter:
    """Health, readiness and metrics of a service."""
    router = APIRouter(tags=["operations"])
    asking = _Asking(health.checks)

    @router.get("/healthz")
    async def healthz() -> Mapping[str, str]:
        """Whether the process runs."""
        return {"status": "ok", "service": health.service, "version": health.version}

    @router.get("/readyz", responses={503: {"description": "a part is missing"}})
    async def readyz() -> Response:
        """Whether the service can do its work; 503 names the parts that are missing."""
        results = await asking.answers()
        ready = all(result is True for result in results.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: _told(result) for name, result in results.items()},
        }
        return JSONResponse(body, 200 if ready else 503)

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
