"""Whatever is sent, the router answers with a problem and never with an error of its own."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from services.router.http.cases import BODIES
from shared.roles import Role
from shared.taxonomy import load_taxonomy
from tests.router.station import LAMP, Json, Station

LEAD = "urban-management"
ASKED = {"text": "路灯不亮", "leaf": LAMP}


def refused(answer: Any, status: int) -> None:
    """A problem document that repeats nothing of what was sent."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) <= {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"text": "路灯不亮"},
        {**ASKED, "text": ""},
        {**ASKED, "text": " \n\u200b"},
        {**ASKED, "text": "长" * 4001},
        {**ASKED, "text": 3},
        {**ASKED, "leaf": "grid.no_such_thing"},
        {**ASKED, "leaf": "GRID"},
        {**ASKED, "priority": "P6"},
        {**ASKED, "priority": 0},
        {**ASKED, "location": {"lat": 91, "lon": 0}},
        {**ASKED, "location": {"lat": "39", "lon": "117"}},
        {**ASKED, "location": {"lat": 39.1}},
        {**ASKED, "accused_unit": "Not A Slug"},
        {**ASKED, "accused_unit": "x" * 60},
        {**ASKED, "abstained": "yes"},
        {**ASKED, "at": "tomorrow"},
        {**ASKED, "at": "2026-11-23T10:00:00"},
        {**ASKED, "at": "9999-12-31T23:59:59Z"},
        {**ASKED, "at": "0001-01-01T00:00:00Z"},
        {**ASKED, "unknown": 1},
        [],
        "路灯不亮",
        None,
    ],
)
def test_a_question_that_does_not_fit_is_refused(station: Station, question: object) -> None:
    refused(station.post("/route", question), 422)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"text": NaN', b"[" * 5000])
def test_a_body_that_is_no_json_is_refused(station: Station, body: bytes) -> None:
    headers = {**station.header(Role.DISPATCHER), "content-type": "application/json"}
    answer = station.client.post("/api/route", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text


def test_half_a_character_is_refused(station: Station) -> None:
    body = b'{"leaf": "grid.street_lighting", "text": "\\ud800"}'
    headers = {**station.header(Role.DISPATCHER), "content-type": "application/json"}
    refused(station.client.post("/api/route", content=body, headers=headers), 422)


@pytest.mark.parametrize(
    "body",
    [
        {"version": "1"},
        {"version": 0},
        {"version": 1.5},
        {"version": True},
        {"note": 7},
        {"note": "长" * 2001},
        {"unit": "No Such"},
        {"approve": "true"},
        {"reason_code": "x" * 61},
        {"proposed_owner": ""},
        {"review_date": "soon"},
        {"assist_units": ["power"] * 21},
        {"assist_units": "power"},
        {"leaf": "nonsense"},
        {"priority": "p1"},
        {"role": "system"},
        {"routing": {}},
        {"ticket_version": 1},
        [],
    ],
)
def test_a_command_that_does_not_fit_is_refused(station: Station, body: object) -> None:
    number = station.opened()
    refused(station.post(f"/cases/{number}/accept", body, Role.UNIT, LEAD), 422)
    assert station.facts(number) == ["dispatched"]


@pytest.mark.parametrize("field", ["note", "basis", "reason_code"])
@pytest.mark.parametrize("words", ["\x00", "a\x00b", "\x1b[2J", "\u202e反", "'; DROP TABLE clock"])
def test_odd_characters_in_what_people_write_do_no_harm(
    station: Station, field: str, words: str
) -> None:
    number = station.opened()
    body: Json = {"note": "非我单位", "basis": "三定方案", "reason_code": "x", field: f"甲{words}"}
    answer = station.give(number, "return", unit=LEAD, proposed_owner="power", **body)
    assert answer.status_code == 200, answer.text
    (line,) = (line for line in answer.json()["log"] if line["fact"] == "return_requested")
    kept = line["note"] if field == "note" else line["detail"][field]
    assert kept.startswith("甲")
    assert not set(kept) & set("\x00\x1b\u202e")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "wait=-1", "wait=31", "wait=nan", "after=x"]
)
def test_a_queue_is_asked_for_in_bounds(station: Station, query: str) -> None:
    refused(station.get(f"/units/fire/queue?{query}", Role.UNIT, "fire"), 422)


def test_a_body_without_end_is_refused(station: Station) -> None:
    headers = {**station.header(Role.DISPATCHER), "content-type": "application/json"}
    body = b'{"text": "' + b"x" * 1_100_000 + b'"}'
    refused(station.client.post("/api/route", content=body, headers=headers), 413)


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.UNIT])
@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_of_any_shape_is_an_error_of_ours(
    station: Station, role: Role, mode: GenerationMode
) -> None:
    number = station.opened()
    header = station.header(role, LEAD if role is Role.UNIT else None)
    schema = schemathesis.openapi.from_asgi("/openapi.json", station.running.app)
    answers: set[tuple[str, int]] = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if not operation.path.startswith("/api/") or operation.path.endswith("/stream"):
            continue

        @given(
            case=operation.as_strategy(generation_mode=mode),
            known=st.fixed_dictionaries(
                {},
                optional={
                    "number": st.just(number),
                    "unit": st.just(LEAD),
                    "command": st.sampled_from(sorted(BODIES)),
                },
            ),
            leaf=st.sampled_from(sorted(load_taxonomy())),
        )
        @effort(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, known: dict[str, str], leaf: str) -> None:
            parameters = case.path_parameters or {}
            case.path_parameters = {name: known.get(name, parameters[name]) for name in parameters}
            if case.path.endswith("/queue") and mode is GenerationMode.POSITIVE:
                case.query = {**(case.query or {}), "wait": 0}
            if isinstance(case.body, dict) and "leaf" in case.body and known:
                case.body["leaf"] = leaf
            answer = case.call(headers={**dict(case.headers or {}), **header})
            assert answer.status_code < 500, (case.method, case.path, case.body, answer.text)
            answers.add((case.path, answer.status_code))

        ask()
    if mode is GenerationMode.POSITIVE and role is Role.DISPATCHER:
        done = {path for path, status in answers if status == 200}
        assert done > {"/api/route", "/api/units/{unit}/queue", "/api/cases/{number}"}
