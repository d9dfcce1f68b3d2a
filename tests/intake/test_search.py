"""Lists of tickets: what they find, that their pages are complete, and that an index finds them."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from services.intake.search import BadCursor, Criteria, find, statement
from shared.postgres import libpq
from shared.roles import Role
from tests.intake.office import NOW, Office, case_event, dispatched, message

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
MANY = 6000
FILL = """
INSERT INTO ticket (number, id, version, status, channel, kind, text, confidential,
    received_at, received_by, round, urges, lead_unit, assist_units)
SELECT 'OLD' || to_char(at, 'YYYYMMDD') || '-' || lpad(n::text, 6, '0'), gen_random_uuid(), 1,
    CASE WHEN n % 50 = 0 THEN 'dispatched' ELSE 'closed' END, 'hotline', 'help', '旧工单', false,
    at, 'li', 0, 0, 'unit-' || n % 100,
    CASE WHEN n % 20 = 0 THEN ARRAY['assist-' || n % 100] ELSE '{}' END
FROM (SELECT n, timestamptz '2020-01-01' + (n || ' hours')::interval AS at
      FROM generate_series(1, :many) n) old
"""
"""Tickets of long ago, so that PostgreSQL has a reason to use an index."""


@pytest.fixture(scope="module")
def archive(office: Office) -> Office:
    """Intake with some thousand old tickets."""
    with office.running.runtime.database.writing() as writer:
        writer.execute(text(FILL), {"many": MANY})
    with office.running.runtime.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE ticket"))
    return office


def numbers(office: Office, query: str) -> list[str]:
    answer = office.get(f"/tickets{query}")
    assert answer.status_code == 200, answer.text
    return [ticket["number"] for ticket in answer.json()["items"]]


def walk(office: Office, query: str) -> list[str]:
    """All numbers of a list, page by page; a new ticket comes in after each page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = office.get(f"/tickets{query}{cursor}").json()
        found += [ticket["number"] for ticket in page["items"]]
        if page["next"] is None:
            return found
        assert page["items"]
        cursor = f"&cursor={page['next']}"
        office.submit(text="插队工单")


def test_words_are_found_in_number_text_and_address(office: Office) -> None:
    by_text = office.submit(text="百年不遇的井盖响声")
    by_address = office.submit(address="独一无二里9号")
    assert numbers(office, "?q=井盖响") == [by_text]
    assert numbers(office, "?q=独一无二里") == [by_address]
    assert numbers(office, f"?q={by_text}") == [by_text]
    assert numbers(office, "?q=从未出现的词") == []


@pytest.mark.parametrize("words", ["%", "_", "100%", "\\", "'", "a_c", "%25' OR 1=1 --"])
def test_words_are_sought_as_they_stand(office: Office, words: str) -> None:
    number = office.submit(text=f"标记〔{words}〕")
    other = office.submit(text="标记〔abc〕")
    answer = office.client.get("/api/tickets", params={"q": words}, headers=office.header())
    found = [ticket["number"] for ticket in answer.json()["items"]]
    assert number in found
    assert other not in found


def test_a_list_is_narrowed_by_status_unit_and_time(office: Office) -> None:
    mine, other = office.submit(), office.submit()
    office.tell(dispatched(mine, "narrow-lead", "narrow-assist"))
    office.tell(message(case_event(other, 1, lead_unit="someone"), other))
    assert numbers(office, "?unit=narrow-lead") == [mine]
    assert numbers(office, "?unit=narrow-assist&status=dispatched") == [mine]
    assert numbers(office, "?unit=narrow-lead&status=closed") == []
    assert numbers(office, "?from=2100-01-01T00:00:00%2B08:00") == []
    assert numbers(office, "?to=2001-01-01T00:00:00Z") == []


def test_the_newest_come_first(office: Office) -> None:
    first, second = office.submit(), office.submit()
    assert numbers(office, "?limit=2") == [second, first]


def test_pages_are_complete_and_without_repetition_while_tickets_come_in(archive: Office) -> None:
    query = "?to=2020-02-01T00:00:00Z&limit=100"
    expected = [
        row[0]
        for row in archive.rows(
            "SELECT number FROM ticket WHERE received_at < '2020-02-01' ORDER BY received_at DESC"
        )
    ]
    assert len(expected) == 743
    assert walk(archive, query) == expected


def test_pages_of_new_tickets_do_not_shift(office: Office) -> None:
    sent = [office.submit(text="翻页稳定性") for _ in range(7)]
    assert walk(office, "?q=翻页稳定性&limit=2") == sent[::-1]


def test_tickets_of_the_same_instant_are_neither_lost_nor_repeated(archive: Office) -> None:
    with archive.running.runtime.database.writing() as writer:
        writer.execute(
            text("UPDATE ticket SET received_at = '2020-03-01' WHERE number LIKE 'OLD202003%'")
        )
    found = walk(archive, "?from=2020-03-01T00:00:00Z&to=2020-03-02T00:00:00Z&limit=200")
    assert len(found) == len(set(found)) == 744


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        (Criteria(), "ticket_received"),
        (Criteria(start=datetime(2020, 2, 1, tzinfo=UTC), end=NOW), "ticket_received"),
        (Criteria(status="dispatched"), "ticket_open"),
        (Criteria(unit="unit-7"), "ticket_lead"),
        (Criteria(unit="assist-60"), "ticket_assist"),
        (Criteria(words="井盖"), "ticket_received"),
    ],
)
def test_no_list_reads_the_whole_table(archive: Office, criteria: Criteria, index: str) -> None:
    sql = str(
        statement(criteria, NOW).compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})
    ).replace("%%", "%")
    with psycopg.connect(libpq(archive.running.runtime.database.url)) as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {sql}".encode()))
    assert index in plan
    assert "Seq Scan" not in plan


def forged(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "AAAA", "中文", forged([]), forged({}), forged(1), forged(["x", "y"])),
        forged(["2026-11-23T00:00:00", "NK20261123-000001"]),
        forged(["2026-11-23T00:00:00+00:00", 1]),
        forged(["2026-11-23T00:00:00+00:00", "\x00"]),
        forged([1, "NK20261123-000001"]),
        forged(["0001-01-01T00:00:00+23:59", "x' OR 1=1"]),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(office: Office, cursor: str) -> None:
    answer = office.client.get("/api/tickets", params={"cursor": cursor}, headers=office.header())
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:hotline:problem:bad-cursor"
    with office.running.runtime.database.reading() as reader, pytest.raises(BadCursor):
        find(reader, Criteria(cursor=cursor), NOW)


def test_a_units_pages_are_full_though_it_may_not_see_all(office: Office) -> None:
    visible = []
    for n in range(6):
        accused = "full-pages" if n % 2 else None
        number = office.submit(accused_unit=accused)
        office.tell(dispatched(number, "full-pages"))
        if accused is None:
            visible.append(number)
    page = office.get("/tickets?limit=3", Role.UNIT, "full-pages").json()
    assert [ticket["number"] for ticket in page["items"]] == visible[::-1]
    assert page["next"] is None


def test_a_search_for_words_looks_back_ninety_days_unless_it_says_from_when(
    archive: Office,
) -> None:
    assert numbers(archive, "?q=旧工单") == []
    assert len(numbers(archive, "?q=旧工单&from=2020-01-01T00:00:00Z")) == 50


@pytest.mark.parametrize("query", ["?stauts=closed", "?q=井盖&page=2", "?Q=井盖"])
def test_a_parameter_that_the_list_does_not_have_is_refused(office: Office, query: str) -> None:
    answer = office.get(f"/tickets{query}")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:hotline:problem:unknown-parameter"
    assert "status" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("said", "sought"),
    [
        ("（三單元）的路燈不亮", "(三单元)"),
        ("ＡＢＣ广场后头", "abc广场"),
        ("门禁Ｗｉ－Ｆｉ断了", "wi-fi"),
        ("王頂堤那儿", "王顶堤"),
        ("王顶堤那边儿", "王頂堤"),
    ],
)
def test_words_are_found_whatever_letters_they_were_written_with(
    office: Office, said: str, sought: str
) -> None:
    number = office.submit(text=said)
    assert number in numbers(office, f"?q={quote(sought)}&limit=200")


def test_a_number_is_found_in_any_letters(office: Office) -> None:
    number = office.submit(text="随便什么")
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in number)
    for said in (number.lower(), full_width):
        assert numbers(office, f"?q={quote(said)}") == [number]


def test_a_title_is_sought_too(office: Office) -> None:
    number = office.submit(text="内容里没有", title="急办件一号")
    assert numbers(office, f"?q={quote('急办件一号')}") == [number]


def test_what_is_added_later_is_found(office: Office) -> None:
    number = office.submit(text="第一句话")
    office.post(f"/tickets/{number}/amendments", {"text": "後來補充的特別詞"})
    assert numbers(office, f"?q={quote('后来补充的特别词')}") == [number]


def test_a_phone_finds_who_called_from_it_and_that_is_recorded(office: Office) -> None:
    number = office.submit(text="有电话", caller={"phone": "13820007788"})
    hidden = office.submit(text="保密的", caller={"phone": "13820007788", "confidential": True})
    found = numbers(office, f"?phone={quote('138-2000 7788')}")
    assert found == [number]
    assert hidden not in found
    assert numbers(office, "?phone=13820007789") == []
    assert numbers(office, "?phone=1") == []
    read = office.rows("SELECT subject, granted FROM caller_read WHERE number = :n", n=number)
    assert len(read) == 1
    assert office.get("/tickets?phone=13820007788", Role.UNIT, "market").status_code == 403


@pytest.mark.parametrize("query", ["?leaf=grid.nothing", "?category=weather", "?priority=P9"])
def test_a_filter_that_there_is_not_is_refused(office: Office, query: str) -> None:
    assert office.get(f"/tickets{query}").status_code == 422


def test_leaf_category_and_priority_keep_what_they_name(office: Office) -> None:
    lamp, gas = office.submit(text="灯"), office.submit(text="气")
    for number, leaf, priority in [
        (lamp, "grid.street_lighting", "P3"),
        (gas, "safety.gas_leak", "P0"),
    ]:
        with office.running.runtime.database.writing() as writer:
            writer.execute(
                text(
                    "UPDATE ticket SET classification = jsonb_build_object("
                    "'leaf', CAST(:leaf AS text), 'priority', CAST(:priority AS text))"
                    " WHERE number = :number"
                ),
                {"leaf": leaf, "priority": priority, "number": number},
            )
    for query, kept in [
        ("leaf=grid.street_lighting", {lamp}),
        ("category=safety", {gas}),
        ("priority=P0", {gas}),
        ("priority=P3&category=grid", {lamp}),
        ("priority=P0&category=grid", set()),
    ]:
        assert set(numbers(office, f"?{query}&limit=200")) & {lamp, gas} == kept, query
