"""The door, by raw sockets: what is too slow, too long or too much is refused, and says so."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx2
import pytest
from fastapi import FastAPI, Request

from shared import door, problems
from shared.door import HEAD_BYTES, Turns
from shared.problems import Problem
from tests.serving import served

app = FastAPI()
problems.install(app)
slowly = Event()


@app.post("/echo")
async def echo(request: Request) -> int:
    """How long the body is."""
    return len(await request.body())


@app.get("/slow")
def slow() -> str:
    """Answer when told to."""
    slowly.wait(10)
    return "done"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The application at a door with short patience."""
    monkeypatch.setattr(door, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(door, "BODY_SECONDS", 0.8)
    monkeypatch.setattr(door, "MOST_CONNECTIONS", 20)
    slowly.clear()
    with served(app) as address:
        yield int(address.rsplit(":", 1)[1])


def said(port: int, *parts: bytes, pause: float = 0.0, patience: float = 5.0) -> bytes:
    """What the server answers until it hangs up, or is silent for that long."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        answer = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while chunk := client.recv(65536):
                answer += chunk
        return answer


def is_problem(answer: bytes, status: int) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    return (
        lines[0].startswith(f"http/1.1 {status} ".encode())
        and b"connection: close" in lines
        and b"content-type: application/problem+json" in lines
        and json.loads(body)["status"] == status
    )


HEAD = b"POST /echo HTTP/1.1\r\nHost: here\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"POST /ec",), id="half a line"),
        pytest.param((HEAD,), id="no end of headers"),
        pytest.param([b"a" if i else HEAD + b"X: " for i in range(30)], id="letter by letter"),
        pytest.param([b"\r\n"] * 30, id="blank lines"),
        pytest.param((HEAD + b"Content-Length: 9\r\n\r\n1234",), id="half a body"),
        pytest.param(
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 30),
            id="a body without an end",
        ),
    ],
)
def test_a_slow_client_is_told_and_hung_up_on(port: int, parts: tuple[bytes, ...]) -> None:
    started = time.monotonic()
    answer = said(port, *parts, pause=0.05)
    assert is_problem(answer, 408), answer
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD + b"X: " + b"a" * HEAD_BYTES + b"\r\n\r\n", id="one long header"),
        pytest.param(HEAD + b"X: y\r\n" * 5000 + b"\r\n", id="many headers"),
        pytest.param(b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n", id="a long path"),
        pytest.param(HEAD + b"X: " + b"a" * (1 << 20), id="a header without an end"),
    ],
)
def test_a_flood_of_headers_is_refused(port: int, head: bytes) -> None:
    answer = said(port, *(head[at : at + 4096] for at in range(0, len(head), 4096)))
    # What is still on its way when the server hangs up may cost the client the answer.
    assert is_problem(answer, 431) or (not answer and len(head) > HEAD_BYTES + 4096)


def test_what_is_no_request_is_a_problem(port: int) -> None:
    assert is_problem(said(port, b"\x16\x03\x01 hello\r\n\r\n"), 400)


def test_usual_requests_one_after_another_and_at_once_are_served(port: int) -> None:
    one = HEAD + b"Content-Length: 20000\r\n\r\n" + b"a" * 20000
    last = one.replace(b"Host", b"Connection: close\r\nHost")
    assert said(port, one + one + last).count(b"HTTP/1.1 200 OK") == 3
    long = one.replace(b"Host", b"Cookie: " + b"a" * (HEAD_BYTES - 1000) + b"\r\nHost")
    parts = [long[at : at + 3000] for at in range(0, len(long), 3000)]
    assert said(port, *parts, last, pause=0.01).count(b"200 OK") == 2
    assert said(port, one[:30], one[30:5000], one[5000:], last, pause=0.1).count(b"200 OK") == 2


def test_a_slow_answer_is_not_a_slow_client(port: int) -> None:
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx2.get, f"http://127.0.0.1:{port}/slow")
        time.sleep(1.2)
        slowly.set()
        assert asked.result().json() == "done"


def test_who_holds_connections_without_a_request_keeps_nobody_out(port: int) -> None:
    with contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            for _ in range(20)
        ]
        held[1].sendall(b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
        assert held[1].recv(65536).endswith(b"0")
        held[2].sendall(b"POST /ec")
        for _ in range(3):
            assert httpx2.post(f"http://127.0.0.1:{port}/echo", content=b"abc").json() == 3
        assert is_problem(held[0].recv(65536), 503), "the one that asked for nothing the longest"


def test_more_requests_than_there_may_be_connections_are_told_to_come_again(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.sendall(HEAD + b"Content-Length: 9\r\n\r\n1234")
        time.sleep(0.2)
        assert is_problem(said(port), 503)
    time.sleep(0.2)
    assert httpx2.post(f"http://127.0.0.1:{port}/echo", content=b"abc").json() == 3


def test_a_subject_waits_for_its_turn_and_another_does_not() -> None:
    async def crowd() -> tuple[int, list[str], list[BaseException | None]]:
        turns, open_again = Turns(at_once=2, waiting=3), asyncio.Event()
        in_hand: list[str] = []
        most = 0

        async def request(subject: str, until: asyncio.Event | None) -> None:
            nonlocal most
            async with turns.of(subject):
                in_hand.append(subject)
                most = max(most, in_hand.count("a"))
                if until is not None:
                    await until.wait()
                in_hand.remove(subject)

        crowding = [asyncio.create_task(request("a", open_again)) for _ in range(7)]
        await asyncio.sleep(0)
        await request("b", None)
        during = list(in_hand)
        open_again.set()
        ends = await asyncio.gather(*crowding, return_exceptions=True)
        await request("a", None)
        return most, during, ends

    most, during, ends = asyncio.run(crowd())
    assert (most, during) == (2, ["a", "a"])
    refused = [end for end in ends if isinstance(end, Problem)]
    assert ends.count(None) == 5
    assert [(each.status, each.headers) for each in refused] == [(429, {"Retry-After": "1"})] * 2
