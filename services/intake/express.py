"""The short way of a usual ticket: past the framework, to the same functions.

A submission whose sender is known already, whose headers are usual and whose body is sound
is taken in here. Anything else goes the ordinary way with its body intact, so that
authorisation, problem documents and the interface's description stand in one place.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.intake.api import Desk, router, submit, take_in
from services.intake.contract import Submission
from shared.auth import Authority, Principal
from shared.problems import Problem
from shared.repeats import IDEMPOTENCY_KEY
from shared.web import MAX_BODY_BYTES, roles_of

ROUTE: Final = next(
    route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is submit
)
KEY: Final = re.compile(IDEMPOTENCY_KEY)
USUAL: Final = frozenset({b"authorization", b"content-type", b"idempotency-key"})


class Express:
    """Middleware in front of the ordinary routes."""

    def __init__(self, app: ASGIApp, authority: Authority, desk: Desk) -> None:
        self._app = app
        self._authority = authority
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a usual ticket in, or let the ordinary way have the request."""
        headers = _headers(scope)
        sender = self._sender(headers) if headers else None
        if headers is None or sender is None:
            return await self._app(scope, receive, send)
        messages = await _received(receive)
        submission = _submission(messages)
        if submission is None:
            return await self._app(scope, _once_more(messages, receive), send)
        scope["route"] = ROUTE
        key = headers.get(b"idempotency-key")
        try:
            answer = await take_in(self._desk, submission, sender, key)
        except Problem as problem:
            answer = problem.response()
        return await answer(scope, receive, send)

    def _sender(self, headers: Mapping[bytes, str]) -> Principal | None:
        """Who sends it, where that was verified before and they may."""
        try:
            known = self._authority.remembered(headers.get(b"authorization"))
        except Problem:
            return None
        return known if known is not None and known.role in roles_of(submit) else None


def _headers(scope: Scope) -> Mapping[bytes, str] | None:
    """The headers that matter for a ticket; None where anything about them is unusual."""
    if scope["type"] != "http" or scope["path"] != ROUTE.path or scope["method"] != "POST":
        return None
    told = [(name, value.decode("latin-1")) for name, value in scope["headers"] if name in USUAL]
    headers = dict(told)
    key = headers.get(b"idempotency-key")
    usual = (
        not scope["query_string"]
        and len(told) == len(headers)
        and headers.get(b"content-type") == "application/json"
        and (key is None or KEY.fullmatch(key))
    )
    return headers if usual else None


async def _received(receive: Receive) -> list[Message]:
    """What is sent as the body: the whole of it, where that is not too long."""
    messages = [await receive()]
    size = len(messages[0].get("body", b""))
    while messages[-1].get("more_body") and size <= MAX_BODY_BYTES:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    return messages


def _submission(messages: Sequence[Message]) -> Submission | None:
    """The sound submission that they are; None where they are anything else."""
    body = b"".join(message.get("body", b"") for message in messages)
    if len(body) > MAX_BODY_BYTES or messages[-1]["type"] != "http.request":
        return None
    try:
        return Submission.model_validate_json(body)
    except ValidationError:
        return None


def _once_more(messages: Sequence[Message], receive: Receive) -> Receive:
    """What was received already, and then what comes."""
    waiting = deque(messages)

    async def again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return again
