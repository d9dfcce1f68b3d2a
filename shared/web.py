"""The HTTP side that every service has: authorisation first, problems, a count of requests.

A route names the roles it is for with `allow`; one that does not is refused when the
service starts. The check runs before the body is read, so an outsider learns nothing
from an error about it.
"""

import re
import time
import uuid
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from prometheus_client import Counter, Histogram
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import problems
from shared.auth import Authority, Principal
from shared.calendar import SHANGHAI
from shared.door import Turns
from shared.envelope import CURRENT_TRACE, new_trace
from shared.health import Health, operations
from shared.metrics import HTTP_REQUESTS, HTTP_SECONDS
from shared.problems import Problem, not_found
from shared.repeats import Handle, Repeats, idempotency_key, names_its_requests, once
from shared.roles import Role

MAX_BODY_BYTES: Final = 1_000_000
TRACEPARENT: Final = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
RECORD_NUMBER: Final = re.compile(r"[A-Za-z0-9-]{1,40}")

BEARER: Final = HTTPBearer(
    bearerFormat="JWT", description="make token ROLE=operator", auto_error=False
)
"""Describes the token in OpenAPI, so that /docs can send one; GuardedRoute checks it."""
DOCS: Final = "/docs/files"
PRIVATE: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Headers of every answer that sets none of its own: it may hold what one person may see."""
REFERENCE: Final = "#/components/schemas/{model}"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Shown = TypeVar("Shown", bound=BaseModel)


def allow(*roles: Role) -> Callable[[Endpoint], Endpoint]:
    """Say which roles an endpoint is for."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.allowed_roles = frozenset(roles)  # type: ignore[attr-defined]
        return endpoint

    return mark


def takes(most_bytes: int) -> Callable[[Endpoint], Endpoint]:
    """Say how long a body an endpoint takes, where that is not MAX_BODY_BYTES."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.most_bytes = most_bytes  # type: ignore[attr-defined]
        return endpoint

    return mark


def roles_of(endpoint: Callable[..., Any]) -> frozenset[Role]:
    """The roles that `allow` names for an endpoint. Raises AttributeError where it names none."""
    roles: frozenset[Role] = getattr(endpoint, "allowed_roles")  # noqa: B009
    return roles


class GuardedRoute(APIRoute):
    """A route that authorises its caller before anything else about the request.

    A POST under an `Idempotency-Key` is carried out once.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in options.get("methods", ()) and not names_its_requests(endpoint):
            options["dependencies"] = [
                *(options.get("dependencies") or ()),
                Depends(idempotency_key),
            ]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handle:
        roles = roles_of(self.endpoint)
        repeatable = "POST" in (self.methods or ()) and not names_its_requests(self.endpoint)
        handle = super().get_route_handler()
        parameters = _query_of(self.dependant)
        most_bytes: int = getattr(self.endpoint, "most_bytes", MAX_BODY_BYTES)

        async def guarded(request: Request) -> Response:
            authority: Authority = request.app.state.authority
            header = request.headers.get("authorization")
            caller = authority.remembered(header)
            if caller is None:
                caller = await run_in_threadpool(authority.authenticate, header)
            if caller.role not in roles:
                raise Problem(403, "您的身份不能进行此操作")
            request.state.caller = caller
            if not parameters.issuperset(request.query_params):
                raise Problem(422, _none_but(parameters), slug="unknown-parameter")
            asked = Request(request.scope, _bounded(request.receive, most_bytes))
            key = asked.headers.get("idempotency-key")
            repeats: Repeats | None = request.app.state.repeats
            turns: Turns = request.app.state.turns
            async with turns.of(f"{caller.role} {caller.unit} {caller.subject}"):
                if key is None or repeats is None or not repeatable:
                    return await handle(asked)
                return await once(asked, caller, key, repeats, handle)

        return guarded


def _query_of(dependant: Dependant) -> frozenset[str]:
    """The query parameters of a route and of all that it depends on."""
    own = {field.alias for field in dependant.query_params}
    return frozenset(own.union(*map(_query_of, dependant.dependencies)))


def _none_but(parameters: frozenset[str]) -> str:
    """What to change where a query names a parameter that the route does not have."""
    if not parameters:
        return "此操作不接受查询参数，请删去网址中问号后的内容"
    return f"有不认识的查询参数，请删去；可用的有 {'、'.join(sorted(parameters))}"


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    """The same body, as long as it is no longer than that."""
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most_bytes:
            raise HTTPException(413)
        return message

    return bounded


def api_router(**options: Any) -> APIRouter:
    """A router whose routes are guarded, under `/api`."""
    return APIRouter(
        prefix="/api",
        route_class=GuardedRoute,
        dependencies=[Depends(BEARER)],
        responses=problems.documented(),
        **options,
    )


async def _caller(request: Request) -> Principal:
    caller: Principal = request.state.caller
    return caller


Caller = Annotated[Principal, Depends(_caller)]
"""The authorised caller of an endpoint."""


async def _record_number(number: str) -> str:
    if not RECORD_NUMBER.fullmatch(number):
        raise not_found()
    return number


RecordNumber = Annotated[str, Depends(_record_number)]
"""The `{number}` of a path; one that no record can have is not found like any other."""


def local_times(shown: Shown) -> Shown:
    """A copy in which every instant, however deep, has the offset of Asia/Shanghai.

    Events carry UTC; people and their programs read the time on the wall.
    """
    return shown.model_copy(
        update={name: _local(getattr(shown, name)) for name in type(shown).model_fields}
    )


def _local(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(SHANGHAI)
        case BaseModel():
            return local_times(value)
        case tuple() | list():
            return type(value)(map(_local, value))
        case _:
            return value


class Described(FastAPI):
    """An application with a description that every tool for OpenAPI 3.1 reads."""

    def openapi(self) -> dict[str, Any]:
        """The description, with the problem that every route may answer.

        `itemSchema` of streams is a word of OpenAPI 3.2 and left out.
        """
        made_before = self.openapi_schema is not None
        described = super().openapi()
        if not made_before:
            _, problem = models_json_schema(
                [(problems.ProblemDocument, "serialization")], ref_template=REFERENCE
            )
            schemas = described.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(problem["$defs"])
            for path in described["paths"].values():
                for operation in path.values():
                    for answer in operation["responses"].values():
                        for media in answer.get("content", {}).values():
                            if media.pop("itemSchema", None):
                                media["schema"] = {"type": "string"}
        return described


def create_app(
    health: Health,
    router: APIRouter,
    authority: Authority,
    *,
    title: str,
    repeats: Repeats | None = None,
    shortcut: Callable[[ASGIApp], ASGIApp] | None = None,
) -> FastAPI:
    """An application of one service with everything all services share."""
    app = Described(
        title=title,
        version=health.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.authority = authority
    app.state.repeats = repeats
    app.state.turns = Turns()
    problems.install(app)
    app.include_router(router)
    app.include_router(operations(health))
    _describe(app)
    if shortcut is not None:
        app.add_middleware(shortcut)
    app.add_middleware(Observed, service=health.service)
    return app


def _describe(app: FastAPI) -> None:
    """The description as a page at `/docs`, whose script and style come from here too."""
    app.mount(DOCS, StaticFiles(packages=[("fastapi_offline", "static")]))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{DOCS}/swagger-ui-bundle.js",
            swagger_css_url=f"{DOCS}/swagger-ui.css",
            swagger_favicon_url="data:,",
        )


class Observed:
    """Gives every request an id and a trace, and counts and times it by route."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex.encode()
        trace = headers.get(b"traceparent", b"")
        CURRENT_TRACE.set(trace.decode() if TRACEPARENT.fullmatch(trace) else new_trace())
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = {name for name, _ in message["headers"]}
                kept = (header for header in PRIVATE if header[0] not in told)
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *kept]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unmatched")
        known = path != "unmatched" and scope["method"] in METHODS
        count, time_taken = self._metrics(scope["method"] if known else "any", path, str(status))
        count.inc()
        time_taken.observe(seconds)

    def _metrics(self, method: str, path: str, status: str) -> tuple[Counter, Histogram]:
        """The two metrics of an answer; looking their labels up each time costs more than them."""
        known = self._known.get((method, path, status))
        if known is None:
            known = (
                HTTP_REQUESTS.labels(self._service, method, path, status),
                HTTP_SECONDS.labels(self._service, method, path),
            )
            self._known[method, path, status] = known
        return known
