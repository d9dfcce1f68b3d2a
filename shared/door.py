"""The door of a service: how long a client may take, how much it may say, how many there may be.

uvicorn's connection waits for a request for ever and takes heads of any length; a proxy in
front of a deployment bounds both, but `make run` has none. Refusals are problem documents.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.problems import Problem

HEAD_BYTES: Final = 16 << 10
"""Request line and headers together; the proxy's bound (deploy/compose/Caddyfile)."""
HEAD_SECONDS: Final = 10.0
"""From a connection, or a request's first byte, to the end of its head; the proxy's bound."""
BODY_SECONDS: Final = 60.0
"""From the end of the head to the end of the body: 64 MB at 9 Mbit/s."""
MOST_CONNECTIONS: Final = 2000
FULL: Final = "连接过多，请稍后再试"
MOST_AT_ONCE: Final = 32
"""Requests of one subject in hand at once: fewer than the 40 threads that answer them, so that
no program keeps the operators waiting, whatever it does."""
MOST_WAITING: Final = 224
"""Further requests of one subject that wait for their turn: a burst of a unit's program."""

REFUSED: Final = Counter(
    "hotline_door_refusals_total",
    "Connections and requests turned away before any route, by status.",
    ["status"],
)


class Door(HttpToolsProtocol):
    """One connection, with bounds on its requests."""

    _timer: asyncio.TimerHandle | None = None
    _awaited_at = 0.0
    """Since when the head of a request is waited for, in the loop's time."""
    _fed = 0
    """Bytes received since the part in which the head began, while it is not complete."""
    _parsed = 0
    """Bytes of the head that were understood."""
    _in_head = True
    _overlong = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS and not self._made_room():
            self._refuse(503, FULL, {"Retry-After": "2"})
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._fed += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._fed > HEAD_BYTES:
            self._overlong = True
            self.send_400_response("")
        elif self._timer is None and self._in_head and self._idle():
            self._await_head()  # blank lines ended uvicorn's wait for a next request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._fed, self._parsed = True, 0, 0
        self._await_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wait(BODY_SECONDS, "正文没有在时限内发完")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._in_head, self._fed, self._awaited_at = True, 0, self.loop.time()
        super().on_message_complete()

    def _count(self, said: int) -> None:
        self._parsed += said
        if self._parsed > HEAD_BYTES:
            self._overlong = True
            raise ValueError("the head is too long")

    def _await_head(self) -> None:
        self._awaited_at = self.loop.time()
        self._wait(HEAD_SECONDS, "请求没有在时限内发完")

    def _made_room(self) -> bool:
        """Whether another connection, which has asked for nothing the longest, was given up.

        Whoever holds connections open without a request keeps nobody out.
        """
        others = (one for one in self.connections if isinstance(one, Door) and one is not self)
        idle = (one for one in others if one._asks_nothing())
        longest = min(idle, key=lambda one: one._awaited_at, default=None)
        if longest is not None:
            longest._refuse(503, FULL, {"Retry-After": "2"})
        return longest is not None

    def _wait(self, seconds: float, complaint: str) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._refuse, 408, complaint)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or has too long a head. uvicorn calls this by its name."""
        if self._overlong:
            self._refuse(431, "请求头或网址过长")
        else:
            self._refuse(400, "请求无法解析")

    def _asks_nothing(self) -> bool:
        return self._in_head and self._idle() and not self.transport.is_closing()

    def _idle(self) -> bool:
        """Whether no answer is owed."""
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        """Answer, unless an answer to this request has begun, and hang up."""
        self._stop_waiting()
        REFUSED.labels(str(status)).inc()
        begun = self.cycle is not None and self.cycle.response_started
        if not begun or (self._in_head and self._idle()):
            answer = Problem(status, detail, headers={"Connection": "close", **(headers or {})})
            response = answer.response()
            lines = [b": ".join(header) + b"\r\n" for header in response.raw_headers]
            self.transport.write(
                b"".join([STATUS_LINE[status], *lines, b"\r\n", bytes(response.body)])
            )
        self.transport.close()


@dataclass
class _Line:
    """Requests of one subject: those in hand and those behind them."""

    turn: asyncio.Semaphore
    length: int = 0


class Turns:
    """Whose requests are in hand and whose wait; for the event loop's thread alone."""

    def __init__(self, at_once: int = MOST_AT_ONCE, waiting: int = MOST_WAITING) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._lines: dict[str, _Line] = {}

    @contextlib.asynccontextmanager
    async def of(self, subject: str) -> AsyncIterator[None]:
        """Have one request of `subject` in hand, when it is its turn.

        Raises Problem 429 where too many of them wait already.
        """
        line = self._lines.get(subject)
        if line is None:
            line = self._lines[subject] = _Line(asyncio.Semaphore(self._at_once))
        if line.length >= self._most:
            raise Problem(
                429,
                f"同一身份同时进行的请求最多 {self._most} 个，请稍后再试",
                headers={"Retry-After": "1"},
            )
        line.length += 1
        try:
            async with line.turn:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[subject]


def serving() -> dict[str, Any]:
    """How every HTTP side of ours has uvicorn serve it."""
    return {
        "http": Door,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 3,
        "backlog": 4096,
    }
