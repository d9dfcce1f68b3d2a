"""The short way of a usual ticket: the same answers, and everything unusual past it untouched."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from services.intake.api import Desk
from services.intake.express import Express
from shared.auth import issue_token
from shared.roles import Role
from shared.web import MAX_BODY_BYTES
from tests.intake.office import WORDS, Office

PATH = "/api/tickets"
SOUND = json.dumps({"text": WORDS}, ensure_ascii=False).encode()
JSON = [("content-type", "application/json")]
ORDINARY = [("content-type", "application/json; charset=utf-8")]
"""A content type that says the same and is not the usual one."""
NEW = {"id", "number", "received_at", "instance"}
"""What differs between two answers to the same words."""


class Ordinary:
    """Stands where the routes are and keeps what reaches it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body and answer 418."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await JSONResponse({}, 418)(scope, receive, send)


def sent(
    office: Office,
    ordinary: Ordinary,
    headers: Sequence[tuple[str, str]],
    body: bytes | Iterable[bytes] = SOUND,
    *,
    method: str = "POST",
    path: str = PATH,
) -> httpx2.Response:
    """The answer to a request that meets the short way and then `ordinary`."""
    desk = office.running.parts.state
    assert isinstance(desk, Desk)
    express = Express(ordinary, office.running.runtime.authority, desk)

    async def pieces() -> Any:
        for piece in body:
            yield piece

    async def session() -> httpx2.Response:
        transport = httpx2.ASGITransport(express)
        async with httpx2.AsyncClient(transport=transport, base_url="http://intake") as client:
            content = body if isinstance(body, bytes) else pieces()
            return await client.request(method, path, content=content, headers=list(headers))

    return office.in_loop(session)


def token(office: Office, role: Role = Role.OPERATOR, *, known: bool = True) -> tuple[str, str]:
    """The header of a token that was verified before, or of one that never was."""
    header = office.header(role, "market" if role is Role.UNIT else None)["Authorization"]
    if not known:
        header = f"Bearer {issue_token(office.settings, role, name='new')}"
    else:
        office.running.runtime.authority.authenticate(header)
    return ("authorization", header)


@pytest.mark.parametrize(
    "further", [[], [("idempotency-key", "short-way")], [("x-request-id", "r-1")]]
)
def test_a_usual_ticket_of_a_known_sender_goes_past_the_routes(
    office: Office, further: list[tuple[str, str]]
) -> None:
    ordinary = Ordinary()
    answer = sent(office, ordinary, [token(office), *JSON, *further])
    assert (answer.status_code, ordinary.bodies) == (201, [])
    assert office.get(f"/tickets/{answer.json()['number']}").status_code == 200


def test_a_body_in_pieces_is_usual(office: Office) -> None:
    ordinary = Ordinary()
    answer = sent(office, ordinary, [token(office), *JSON], [SOUND[:9], SOUND[9:]])
    assert (answer.status_code, ordinary.bodies) == (201, [])


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", PATH, JSON, b""),
        ("POST", "/api/tickets/", JSON, SOUND),
        ("POST", f"{PATH}?dry=1", JSON, SOUND),
        ("POST", "/api/preview", JSON, SOUND),
        ("POST", PATH, [], SOUND),
        ("POST", PATH, ORDINARY, SOUND),
        ("POST", PATH, [*JSON, *JSON], SOUND),
        ("POST", PATH, [*JSON, ("idempotency-key", "a"), ("idempotency-key", "b")], SOUND),
        ("POST", PATH, [*JSON, ("idempotency-key", "")], SOUND),
        ("POST", PATH, [*JSON, ("idempotency-key", "k" * 256)], SOUND),
        ("POST", PATH, JSON, b""),
        ("POST", PATH, JSON, b"{"),
        ("POST", PATH, JSON, b'{"text": ""}'),
        ("POST", PATH, JSON, b'{"text": "\\ud800"}'),
        ("POST", PATH, JSON, SOUND[:-1] + b', "unheard": 1}'),
        ("POST", PATH, JSON, SOUND + b" " * MAX_BODY_BYTES),
        ("POST", PATH, JSON, [b"[", SOUND, b"]"]),
        ("POST", PATH, JSON, [b" " * MAX_BODY_BYTES, SOUND]),
    ],
    ids=[
        "another method",
        "another path",
        "a query",
        "another endpoint",
        "no content type",
        "another content type",
        "two content types",
        "two keys",
        "an empty key",
        "a long key",
        "no body",
        "no JSON",
        "no text",
        "half a character",
        "an unknown field",
        "too long",
        "unsound in pieces",
        "too long in pieces",
    ],
)
def test_what_is_unusual_reaches_the_routes_with_its_body_intact(
    office: Office,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes | list[bytes],
) -> None:
    ordinary = Ordinary()
    before = office.counts()["ticket"]
    answer = sent(office, ordinary, [token(office), *headers], body, method=method, path=path)
    assert (answer.status_code, ordinary.bodies) == (
        418,
        [b"".join([body] if isinstance(body, bytes) else body)],
    )
    assert office.counts()["ticket"] == before


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param(lambda office: [], id="nobody"),
        pytest.param(lambda office: [("authorization", "Bearer x")], id="no token"),
        pytest.param(lambda office: [("authorization", "Basic eDp5")], id="another scheme"),
        pytest.param(lambda office: [token(office, known=False)], id="not seen before"),
        pytest.param(lambda office: [token(office, Role.UNIT)], id="another role"),
        pytest.param(lambda office: [token(office), token(office)], id="two tokens"),
    ],
)
def test_a_sender_who_is_not_known_to_be_allowed_is_judged_by_the_routes(
    office: Office, sender: Any
) -> None:
    ordinary = Ordinary()
    answer = sent(office, ordinary, [*sender(office), *JSON])
    assert (answer.status_code, ordinary.bodies) == (418, [SOUND])


@pytest.mark.parametrize(
    "ticket",
    [
        {"text": WORDS, "title": "楼道", "kind": "report", "channel": "web"},
        {"text": WORDS, "caller": {"phone": "13820001234", "name": "王秀兰"}},
        {"text": WORDS, "occurred_at": "2026-11-23T09:00:00+08:00"},
        {"text": "家里着火了, 出不去"},
    ],
    ids=["by a citizen's own hand", "with a caller", "with an instant", "with danger"],
)
def test_both_ways_give_the_same_answer(office: Office, ticket: dict[str, object]) -> None:
    known = dict([token(office)])
    answers = [
        office.client.post(PATH, content=json.dumps(ticket), headers=known | dict(headers))
        for headers in (JSON, ORDINARY)
    ]
    short, ordinary = (
        (
            answer.status_code,
            answer.headers["content-type"],
            {name: value for name, value in answer.json().items() if name not in NEW},
        )
        for answer in answers
    )
    assert short == ordinary
    assert short[0] == 201


def test_a_key_is_the_same_key_both_ways(office: Office) -> None:
    known = dict([token(office)]) | {"idempotency-key": "both-ways"}
    short, ordinary = (
        office.client.post(PATH, content=SOUND, headers=known | dict(headers))
        for headers in (JSON, ORDINARY)
    )
    assert short.text == ordinary.text
    refused = [
        office.client.post(PATH, content=b'{"text": "x"}', headers=known | dict(headers))
        for headers in (JSON, ORDINARY)
    ]
    assert {answer.status_code for answer in refused} == {422}
    assert refused[0].json()["type"] == refused[1].json()["type"]


def test_the_short_way_is_measured_under_the_same_name(office: Office) -> None:
    def counted() -> float:
        lines = office.client.get("/metrics").text.splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("hotline_http_request") and "_count" in line and f'"{PATH}"' in line
        )

    before = counted()
    answer = office.client.post(PATH, content=SOUND, headers=dict([token(office), *JSON]))
    assert answer.headers["x-request-id"]
    assert counted() == before + 1
