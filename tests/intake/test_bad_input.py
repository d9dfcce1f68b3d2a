"""What intake does not take: a problem document that repeats nothing, and nothing stored."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.intake.service import INTAKE
from shared.events import CaseState
from shared.roles import Role
from shared.service import Running
from shared.web import MAX_BODY_BYTES
from tests.intake.office import WORDS, Office, case_event, message
from tests.serving import served

JSON = "application/json"
MARK = "XYZZY"
"""Stands in every bad value, so that an answer that repeats it is found out."""


def raw(office: Office, path: str, content: bytes, kind: str = "application/json") -> Any:
    headers = {**office.header(), "content-type": kind}
    return office.client.post(f"/api{path}", content=content, headers=headers)


def assert_refused(answer: Any, status: int, slug: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:hotline:problem:{slug}"
    assert MARK not in answer.text
    assert "Traceback" not in answer.text


NO_TEXT: list[object] = [1, 1.5, True, [MARK], {MARK: MARK}]
NO_CALLER: list[object] = [MARK, [], {"vip": MARK}, {"name": 7}, {"name": MARK * 201}]
BAD_FIELDS: list[tuple[str, object]] = [
    *[("text", bad) for bad in ("", " \n\u3000", "\x00\x1b", "\u200b", f"{MARK}" * 1000, None)],
    *[("text", bad) for bad in NO_TEXT],
    *[("title", bad) for bad in (MARK * 201, 7, [MARK])],
    *[("address", bad) for bad in (MARK * 201, False)],
    *[("kind", bad) for bad in (MARK, "", None, 1, "HELP", ["help"])],
    *[("channel", bad) for bad in (MARK, "phone", None, [MARK])],
    *[("location", bad) for bad in (MARK, [39.1, 117.1], {}, {"lat": 39.1}, 1)],
    *[("location", {"lat": bad, "lon": 117.1}) for bad in ("39.1", 91, -90.1, True, None, 10**400)],
    *[("location", {"lat": 39.1, "lon": bad}) for bad in (181, -181, MARK, [117.1])],
    ("location", {"lat": 39.1, "lon": 117.1, "alt": MARK}),
    *[("caller", bad) for bad in NO_CALLER],
    *[("caller", {"phone": bad}) for bad in ([MARK], {MARK: 1}, True, MARK * 201)],
    *[("caller", {"confidential": bad}) for bad in ("true", 1, 0, None, MARK)],
    *[("accused_unit", bad) for bad in ("", "Housing", f"{MARK} x", "a" * 42, "a\n", 1)],
    *[("occurred_at", bad) for bad in ("2026-11-20T08:00:00", "2026-11-20", MARK, "", True)],
    *[("occurred_at", bad) for bad in (1795420800, "1795420800", "2026-13-01T00:00:00Z")],
    *[("occurred_at", bad) for bad in ("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00")],
    ("occurred_at", f"{datetime.now(UTC).year + 1}-12-31T10:00:00+08:00"),
    *[("external_id", bad) for bad in (MARK * 201, 5)],
    *[(unknown, MARK) for unknown in ("Text", "number", "status", "received_at", f"{MARK} 138")],
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_refused_and_nothing_is_stored(
    office: Office, field: str, value: object
) -> None:
    before = office.counts()
    answer = raw(office, "/tickets", json.dumps({"text": WORDS, field: value}).encode())
    assert_refused(answer, 422, "invalid")
    assert office.counts() == before


def nested(levels: int) -> bytes:
    return b'{"text": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    ("content", "kind", "status", "slug"),
    [
        (b"", JSON, 422, "invalid"),
        (b"{", JSON, 400, "bad-request"),
        (f"{MARK}".encode(), JSON, 400, "bad-request"),
        (b'{"text": "x",}', JSON, 400, "bad-request"),
        (b'{"text": "\xff"}', JSON, 400, "bad-request"),
        (b'{"text": "a\x00b"}', JSON, 400, "bad-request"),
        (b'{"text": "\\ud800"}', JSON, 422, "invalid"),
        (b'{"text": "x", "caller": {"name": "\\udfff"}}', JSON, 422, "invalid"),
        (b'{"text": "x", "location": {"lat": NaN, "lon": 1}}', JSON, 422, "invalid"),
        (
            b'{"text": "x", "location": {"lat": 1, "lon": Infinity}}',
            "application/json",
            422,
            "invalid",
        ),
        (
            b'{"text": "x", "location": {"lat": 1e999, "lon": 1}}',
            "application/json",
            422,
            "invalid",
        ),
        (b"9" * 5000, JSON, 400, "bad-request"),
        (nested(50), JSON, 422, "invalid"),
        (nested(100_000), JSON, 400, "bad-request"),
        (b"[]", JSON, 422, "invalid"),
        (b"null", JSON, 422, "invalid"),
        (b'"text"', JSON, 422, "invalid"),
        (b'{"text": "x"}', "text/plain", 422, "invalid"),
        (b"text=x", "application/x-www-form-urlencoded", 422, "invalid"),
        (b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}', JSON, 413, "too-large"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_stored(
    office: Office, content: bytes, kind: str, status: int, slug: str
) -> None:
    before = office.counts()
    assert_refused(raw(office, "/tickets", content, kind), status, slug)
    assert office.counts() == before


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "键"])
def test_a_bad_idempotency_key_is_refused(office: Office, key: str) -> None:
    before = office.counts()
    headers = {**office.header(), "Idempotency-Key": key}
    bare = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = office.client.post("/api/tickets", json={"text": WORDS}, headers=bare)
    assert_refused(answer, 422, "invalid")
    assert office.counts() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("amendments", {}),
        ("amendments", {"text": None, "address": None}),
        ("amendments", {"text": " "}),
        ("amendments", {"text": "x" * 4001}),
        ("amendments", {"text": "x", "number": MARK}),
        ("urges", {"note": MARK * 500}),
        ("urges", {"note": 1}),
        ("urges", {"notes": MARK}),
        ("urges", []),
        ("callbacks", {}),
        ("callbacks", {"solved": "true", "satisfaction": "satisfied"}),
        ("callbacks", {"solved": True, "satisfaction": MARK}),
        ("callbacks", {"solved": True, "satisfaction": "unreached"}),
        ("callbacks", {"solved": True, "satisfaction": "satisfied", "comment": None}),
        ("callbacks", {"solved": True, "satisfaction": "satisfied", "by": MARK}),
    ],
)
def test_a_bad_change_leaves_the_ticket_as_it_was(office: Office, path: str, body: object) -> None:
    number = office.submit()
    before = office.counts()
    assert_refused(office.post(f"/tickets/{number}/{path}", body), 422, "invalid")
    assert office.counts() == before
    assert office.get(f"/tickets/{number}").json()["version"] == 1


@pytest.mark.parametrize(
    "number",
    ["NK20200101-000001", MARK, "%00", "%2e%2e", "NK20200101-000001%0A", "%F0%9F%98%80", "a" * 300],
)
def test_a_number_that_no_ticket_has_is_not_found_whatever_it_looks_like(
    office: Office, number: str
) -> None:
    answers = [office.get(f"/tickets/{number}"), office.get(f"/tickets/{number}/caller")]
    posts = {"amendments": {"text": "x"}, "urges": {}}
    answers += [office.post(f"/tickets/{number}/{path}", body) for path, body in posts.items()]
    for answer in answers:
        assert_refused(answer, 404, "not-found")


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        (f"status={MARK}", "unknown-status"),
        ("status=%00", "unknown-status"),
        (f"unit={MARK}", "invalid"),
        ("q=", "invalid"),
        ("q=%00", "invalid"),
        ("q=" + "x" * 201, "invalid"),
        ("from=2026-11-23T00:00:00", "invalid"),
        ("from=yesterday", "invalid"),
        ("from=1795420800", "invalid"),
        ("to=0001-01-01T00:00:00%2B14:00", "invalid"),
        ("to=9999-12-31T23:59:59-12:00", "invalid"),
        ("limit=0", "invalid"),
        ("limit=201", "invalid"),
        ("limit=ten", "invalid"),
        ("limit=" + "9" * 5000, "invalid"),
        ("cursor=" + "x" * 201, "invalid"),
        (f"cursor={MARK}", "bad-cursor"),
    ],
)
def test_a_bad_query_is_refused(office: Office, query: str, slug: str) -> None:
    assert_refused(office.get(f"/tickets?{query}"), 422, slug)


@pytest.mark.parametrize("words", ["a\x00b\x1bc", "零\u200b宽\u202e", "第一行\r\n第二行", "𪚥𠮷😀"])
def test_odd_characters_are_cleaned_and_not_refused(office: Office, words: str) -> None:
    number = office.submit(text=words)
    stored = office.get(f"/tickets/{number}").json()["text"]
    assert stored.isprintable() or "\n" in stored
    assert stored[0] == words[0]
    assert stored[-1] == words.rstrip("\u202e")[-1]


def test_as_many_words_as_allowed_are_taken(office: Office) -> None:
    number = office.submit(text="字" * 4000, title="题" * 200, address="址" * 200)
    assert len(office.get(f"/tickets/{number}").json()["text"]) == 4000


def test_whatever_the_description_allows_or_forbids_is_answered_as_it_says(office: Office) -> None:
    described = office.client.get("/openapi.json").json()
    for name, path in described["paths"].items():
        for parameter in (p for o in path.values() for p in o.get("parameters", [])):
            if parameter["name"] == "number":
                waits = CaseState.CALLBACK_PENDING if "callbacks" in name else CaseState.DISPATCHED
                number = office.submit(caller={"name": "张三", "phone": "13820001234"})
                office.tell(message(case_event(number, 1, waits), number))
                parameter["schema"] = {"enum": [number, "NK20200101-000001", "x"]}
            if parameter["name"] == "job":
                table = {"file": ("t.csv", f"text\n{WORDS}\n".encode())}
                job = office.client.post("/api/imports", files=table, headers=office.header())
                parameter["schema"] = {"enum": [job.json()["id"], "x"]}
    schema = schemathesis.openapi.from_dict(described)
    tried: dict[str, set[int]] = {}

    def check(case: Any) -> None:
        answer = case.call(base_url=address, headers=office.header(Role.OPERATOR))
        tried.setdefault(f"{case.method} {case.path}", set()).add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    beside = Running(INTAKE, office.settings, workers=False, api=True)
    with beside.started(), served(beside.app) as address:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            for mode in schemathesis.GenerationMode if "/api" in operation.path else ():
                fuzz(operation.as_strategy(generation_mode=mode), check)
    refused = {operation for operation, answers in tried.items() if min(answers) >= 300}
    assert refused == NOT_BY_CHANCE


NOT_BY_CHANCE = {f"POST /api/imports{path}" for path in ("", "/{job}/start", "/{job}/cancel")}
"""What takes a table that is one, or an import that stands at a certain point."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def fuzz(strategy: SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Run a check on some dozens of cases."""
    bounded = settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    bounded(given(strategy)(check))()
