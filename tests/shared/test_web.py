"""What every service's HTTP side promises: authorisation first, problems, health, metrics."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.auth import Authority, issue_token
from shared.bus import BusUnavailable
from shared.envelope import CURRENT_TRACE
from shared.health import Health
from shared.problems import URN, Problem
from shared.roles import Role
from shared.settings import Settings
from shared.web import MAX_BODY_BYTES, Caller, allow, api_router, create_app
from tests.serving import served

ERRORS: dict[str, Exception] = {
    "conflict": Problem(409, "不行", slug="stale", version=7),
    "lost": OperationalError("SELECT 13820001234", {}, psycopg.OperationalError("gone")),
    "broken": ProgrammingError("SELECT 13820001234", {}, psycopg.ProgrammingError("bug")),
    "unfit": DataError("SELECT 13820001234", {}, psycopg.DataError("NUL")),
    "half": UnicodeEncodeError("utf-8", "13820001234", 0, 1, "surrogates not allowed"),
    "full": PoolTimeout("13820001234"),
    "bus": BusUnavailable("13820001234"),
    "bug": RuntimeError("13820001234"),
}


class Note(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid")

    words: str
    count: int = 0


router = api_router()


@router.post("/notes", status_code=201)
@allow(Role.OPERATOR)
async def add_note(note: Note, caller: Caller) -> dict[str, object]:
    """Say who sent it."""
    return {"by": caller.subject, "trace": CURRENT_TRACE.get()}


@router.get("/errors/{name}")
@allow(Role.OPERATOR)
async def fail(name: str) -> None:
    """Fail in a way of choice."""
    raise ERRORS[name]


ready = {"database": True}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation without a database."""
    return Settings(home=tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of a small service."""
    checks = {"database": lambda: ready["database"], "bus": lambda: True}
    app = create_app(Health("test", "1.2.3", checks), router, Authority(settings), title="测试")
    with TestClient(app, raise_server_exceptions=False) as started:
        yield started


@pytest.fixture
def operator(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_token(settings, Role.OPERATOR)}"}


def assert_problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == URN + slug
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"words": "x"}', b"x" * (MAX_BODY_BYTES + 1), b'{"evil": 1}']
)
def test_who_may_ask_is_decided_before_what_is_asked(
    client: TestClient, settings: Settings, body: bytes
) -> None:
    json = {"content-type": "application/json"}
    assert_problem(client.post("/api/notes", content=body, headers=json), 401, "unauthenticated")
    unit = {"Authorization": f"Bearer {issue_token(settings, Role.UNIT, unit='housing')}"}
    answer = client.post("/api/notes", content=body, headers={**json, **unit})
    assert_problem(answer, 403, "forbidden")


def test_a_route_that_names_no_role_stops_the_service() -> None:
    careless = api_router()

    async def anybody() -> None:
        """For whom?"""

    with pytest.raises(AttributeError, match="allowed_roles"):
        careless.get("/anybody")(anybody)


def chunks() -> Iterator[bytes]:
    yield b'{"words": "'
    for _ in range(12):
        yield b"x" * 100_000
    yield b'"}'


def test_a_huge_body_is_refused_whether_announced_or_not(
    client: TestClient, operator: dict[str, str]
) -> None:
    for content in (b"".join(chunks()), chunks()):
        headers = {**operator, "content-type": "application/json"}
        answer = client.post("/api/notes", content=content, headers=headers)
        assert_problem(answer, 413, "too-large")


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"{", 400, "bad-request"),
        (b"\xff\xfe\xfd", 400, "bad-request"),
        (b"[" * 100_000, 400, "bad-request"),
        (b'{"words": ' + b"9" * 10_000 + b"}", 400, "bad-request"),
        (b"", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'"words"', 422, "invalid"),
        (b'{"words": 13820001234}', 422, "invalid"),
        (b'{"words": "x", "count": "13820001234x"}', 422, "invalid"),
        (b'{"words": "x", "13820001234": 1}', 422, "invalid"),
    ],
)
def test_a_bad_body_is_a_problem_that_repeats_nothing_of_it(
    client: TestClient, operator: dict[str, str], content: bytes, status: int, slug: str
) -> None:
    headers = {**operator, "content-type": "application/json"}
    answer = client.post("/api/notes", content=content, headers=headers)
    assert_problem(answer, status, slug)
    assert "13820001234" not in answer.text


def test_a_problem_names_the_field_and_the_rule(
    client: TestClient, operator: dict[str, str]
) -> None:
    answer = client.post("/api/notes", json={"count": "x", "电话": 1}, headers=operator)
    body = assert_problem(answer, 422, "invalid")
    assert body["errors"] == [
        {"field": "body.words", "rule": "missing", "message": "必须填写"},
        {"field": "body.count", "rule": "int_parsing", "message": "要填整数"},
        {"field": "body.?", "rule": "extra_forbidden", "message": "没有这个字段，请删去"},
    ]
    assert body["detail"] == "有字段不符合要求。words: 必须填写"


def test_a_body_that_is_not_declared_as_json_is_not_read(
    client: TestClient, operator: dict[str, str]
) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        headers = {**operator, "content-type": kind}
        answer = client.post("/api/notes", content=b'{"words": "x"}', headers=headers)
        assert_problem(answer, 422, "invalid")


@pytest.mark.parametrize(
    ("name", "status", "slug"),
    [
        ("conflict", 409, "stale"),
        ("lost", 503, "unavailable"),
        ("full", 503, "unavailable"),
        ("bus", 503, "unavailable"),
        ("unfit", 422, "invalid"),
        ("half", 422, "invalid"),
        ("broken", 500, "internal"),
        ("bug", 500, "internal"),
    ],
)
def test_an_error_is_a_problem_without_its_insides(
    client: TestClient, operator: dict[str, str], name: str, status: int, slug: str
) -> None:
    answer = client.get(f"/api/errors/{name}", headers=operator)
    body = assert_problem(answer, status, slug)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert body.get("version") == (7 if name == "conflict" else None)
    for inside in ("13820001234", "SELECT", "Traceback", "Error"):
        assert inside not in answer.text


def test_what_is_not_there_is_a_problem_too(client: TestClient, operator: dict[str, str]) -> None:
    assert_problem(client.get("/api/nothing", headers=operator), 404, "not-found")
    answer = client.put("/api/notes", headers=operator)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


def test_health_needs_no_token_and_readiness_names_what_is_missing(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "service": "test", "version": "1.2.3"}
    assert client.get("/readyz").json()["status"] == "ready"
    ready["database"] = False
    answer = client.get("/readyz")
    ready["database"] = True
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {"database": "failed", "bus": "ok"},
    }


def test_readiness_does_not_wait_for_a_frozen_part_nor_ask_it_twice_at_once() -> None:
    thawed, asked = threading.Event(), []

    def frozen() -> bool:
        asked.append(1)
        return thawed.wait(60)

    def broken() -> bool:
        raise RuntimeError

    health = Health("test", "1", {"database": frozen, "bus": lambda: True, "disk": broken})
    router = api_router()
    app = create_app(health, router, Authority(Settings(jwt_secret=SecretStr("0" * 64))), title="t")
    with served(app) as address:
        for _ in range(3):
            answer = httpx2.get(f"{address}/readyz", timeout=30)
            assert answer.status_code == 503
            assert answer.json()["checks"] == {
                "database": "no answer within 0.8 s", "bus": "ok", "disk": "failed",
            }  # fmt: skip
        assert len(asked) == 1
        with ThreadPoolExecutor(8) as several:
            answers = list(several.map(lambda _: httpx2.get(f"{address}/readyz"), range(8)))
        assert {answer.status_code for answer in answers} == {503}
        assert len(asked) == 1
        thawed.set()
        with ThreadPoolExecutor(8) as several:
            answers = list(several.map(lambda _: httpx2.get(f"{address}/readyz"), range(8)))
        assert {answer.json()["checks"]["database"] for answer in answers} == {"ok"}


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)]
)
def test_a_request_keeps_its_id_if_it_is_one(client: TestClient, sent: str, kept: bool) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept


@pytest.mark.parametrize(
    ("sent", "kept"), [("00-" + "a" * 32 + "-" + "b" * 16 + "-01", True), ("00-a-b-01\\n", False)]
)
def test_a_trace_is_carried_on_if_it_is_one(
    client: TestClient, operator: dict[str, str], sent: str, kept: bool
) -> None:
    headers = {**operator, "traceparent": sent}
    trace = client.post("/api/notes", json={"words": "x"}, headers=headers).json()["trace"]
    assert (trace == sent) is kept
    assert trace.startswith("00-")


def test_requests_are_counted_by_route_and_never_by_what_a_stranger_makes_up(
    client: TestClient, operator: dict[str, str]
) -> None:
    for number in range(3):
        client.get(f"/api/errors/conflict?x={number}", headers=operator)
        client.get(f"/made/up/{number}", headers=operator)
        client.request(f"MADEUP{number}", "/api/notes", headers=operator)
    counted = {
        tuple(sample.labels[name] for name in ("method", "route", "status"))
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "hotline_http_requests_total" and sample.labels["service"] == "test"
    }
    assert ("GET", "/api/errors/{name}", "409") in counted
    assert ("any", "unmatched", "404") in counted
    assert not [labels for labels in counted if "MADEUP" in labels[0] or "made" in labels[1]]
    assert "hotline_http_requests_total" in client.get("/metrics").text


def test_the_description_says_how_to_log_in_and_what_errors_look_like(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    notes = described["paths"]["/api/notes"]["post"]
    assert notes["security"] == [{"HTTPBearer": []}]
    for status in ("4XX", "5XX"):
        assert list(notes["responses"][status]["content"]) == ["application/problem+json"]
    assert client.get("/docs").status_code == 200


def test_no_answer_is_kept_by_a_cache_or_guessed_at(
    client: TestClient, operator: dict[str, str]
) -> None:
    for path in ("/api/errors/conflict", "/api/nothing", "/healthz", "/openapi.json"):
        answer = client.get(path, headers=operator)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff", path


def test_a_stranger_is_led_nowhere(client: TestClient) -> None:
    assert client.post("/api/notes/", follow_redirects=False).status_code == 404


def test_the_descriptions_page_needs_nobody_else(client: TestClient) -> None:
    page = client.get("/docs").text
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(named) == 3
    assert not [address for address in named if "//" in address]
    for address in named:
        assert address == "data:," or client.get(address).status_code == 200
