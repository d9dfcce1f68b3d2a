"""Just enough HTTP/1.1 to load a server cheaply: requests encoded beforehand, little parsing.

Answers are read by their `content-length`; server-sent events by their chunks.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

NUMBER: Final = re.compile(rb'"number":"([^"]+)"')
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
HEAD_END: Final = b"\r\n\r\n"

Answered = Callable[["Connection", int, bytes], None]
"""Takes an answer: its connection, its status and its body."""
Lost = Callable[[], None]
"""Told that a connection has ended."""


def get(path: str, token: str) -> bytes:
    """A GET request."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: hotline\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def post(path: str, token: str, body: bytes) -> bytes:
    """A POST request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: hotline\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Link(asyncio.Protocol):
    """A connection to the server under load."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def write(self, request: bytes) -> None:
        """Send a request."""
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class Connection(Link):
    """A kept-alive connection with one request at a time.

    `answered` is called with every answer; `lost` where the connection ends.
    """

    def __init__(self, answered: Answered, lost: Lost) -> None:
        super().__init__()
        self._answered = answered
        self._lost = lost
        self._buffer = b""
        self.sent_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def send(self, request: bytes, at: float) -> None:
        """Send a request; the answer's time counts from `at`."""
        self.sent_at = at
        self.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        found = LENGTH.search(self._buffer, 0, end + len(HEAD_END))
        whole = end + len(HEAD_END) + (int(found[1]) if found else 0)
        if len(self._buffer) < whole:
            return
        status, body = int(self._buffer[9:12]), self._buffer[end + len(HEAD_END) : whole]
        self._buffer = self._buffer[whole:]
        self._answered(self, status, body)


class EventStream(Link):
    """A unit's queue as server-sent events; `seen` is called with each ticket number in it.

    `opened` is done when the server has begun to answer, with the status of the answer.
    """

    def __init__(self, request: bytes, seen: Callable[[str], object]) -> None:
        super().__init__()
        self._request = request
        self._seen = seen
        self._buffer = b""
        self._event = b""
        self.opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the stream did not open"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.opened.done():
            end = self._buffer.find(HEAD_END)
            if end < 0:
                return
            self.opened.set_result(int(self._buffer[9:12]))
            self._buffer = self._buffer[end + len(HEAD_END) :]
        while (chunk := self._chunk()) is not None:
            *events, self._event = (self._event + chunk).split(b"\n\n")
            for event in events:
                if (number := NUMBER.search(event)) is not None:
                    self._seen(number[1].decode())

    def _chunk(self) -> bytes | None:
        """The next whole chunk of the chunked body, taken from the buffer."""
        size, newline, rest = self._buffer.partition(b"\r\n")
        length = int(size or b"0", 16) if newline else 0
        if not newline or len(rest) < length + 2:
            return None
        self._buffer = rest[length + 2 :]
        return rest[:length]
