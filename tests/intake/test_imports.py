"""Tables of tickets: every row becomes a ticket once or is refused with its reason."""

import codecs
import csv
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from tempfile import TemporaryFile
from typing import Any

import psutil
import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import text

from services.intake.group_commit import GroupCommit
from services.intake.imports.apart import read_apart
from services.intake.imports.columns import MappingError, columns_of, submission
from services.intake.imports.running import AHEAD, BATCH, Importer
from services.intake.imports.sheets import SheetError, read_sheet
from services.intake.storing import Store
from services.intake.tables import ImportRow
from services.intake.vault import Vault
from shared.roles import Role
from shared.settings import Settings
from tests.intake.office import Office, open_office

HEADINGS = ("诉求内容", "联系电话", "姓名", "发生时间", "诉求类型", "内部备注")
ROWS = (
    ("迎水里3号楼楼道灯坏了", "13820001234", "张三", "2026/11/18 19:30", "求助", "x"),
    ("", "13820001234", "李四", "", "", "x"),
    ("师傅\n您好，下水道堵了", "13820005678转3", "", "2026年11月18日", "投诉", ""),
    ("夜里施工噪音", "", "", "昨天", "", ""),
    ("公园路灯不亮", "", "", "", "乱写的XYZZY", ""),
)


def as_csv(
    rows: Sequence[Sequence[object]], encoding: str = "utf-8", separator: str = ","
) -> bytes:
    sink = io.StringIO()
    csv.writer(sink, delimiter=separator).writerows(rows)
    return sink.getvalue().encode(encoding)


def as_xlsx(rows: Sequence[Sequence[object]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


FILES: list[tuple[str, Callable[[Sequence[Sequence[object]]], bytes]]] = [
    ("表.csv", as_csv),
    ("表.csv", lambda rows: codecs.BOM_UTF8 + as_csv(rows)),
    ("表.csv", lambda rows: as_csv(rows, "gb18030")),
    ("表.csv", lambda rows: as_csv(rows, "gb18030", ";")),
    ("表.txt", lambda rows: as_csv(rows, "utf-16", "\t")),
    ("表.xlsx", as_xlsx),
]


@pytest.fixture
def idle(settings: Settings) -> Iterator[Office]:
    """An intake whose workers do not run: the tests take the steps."""
    with open_office(settings) as running:
        for task in running.running.parts.tasks:
            task.stop()
            task.join(10)
        yield running


def upload(office: Office, content: bytes, name: str = "表.csv", **fields: str) -> Any:
    headers = office.header() | ({"Idempotency-Key": fields.pop("key")} if "key" in fields else {})
    files = {"file": (name, content)}
    return office.client.post("/api/imports", files=files, data=fields, headers=headers)


def ended(office: Office, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found: dict[str, Any] = office.get(f"/imports/{job}").json()
        if found["state"] != "running":
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def lines(office: Office, job: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.get(f"/imports/{job}/lines{query}").json()["items"]
    return found


def importer(office: Office, ahead: int = 10**6) -> Importer:
    runtime = office.running.runtime
    vault = Vault(office.settings)
    commit = GroupCommit(Store(runtime.database.url, vault, "NK"), runtime.relay)
    return Importer(runtime.database, vault, commit, ahead=ahead)


@pytest.mark.parametrize(("name", "written"), FILES)
def test_a_table_is_taken_in_row_by_row_in_whatever_form_it_was_saved(
    office: Office, name: str, written: Callable[[Sequence[Sequence[object]]], bytes]
) -> None:
    answer = upload(office, written((HEADINGS, *ROWS)), name)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert told["mapping"]["caller.phone"] == "联系电话"
    assert told["unused"] == ["内部备注"]
    done = ended(office, told["id"])
    assert (done["state"], done["rows"], done["done"]) == ("done", 5, 5)
    assert (done["accepted"], done["refused"]) == (2, 3)
    found = {line["row"]: line for line in lines(office, told["id"])}
    assert [row for row in found if found[row]["number"]] == [2, 4]
    assert found[3]["refusals"] == [{"field": "text", "message": "必须填写"}]
    assert [found[row]["refusals"][0]["field"] for row in (5, 6)] == ["occurred_at", "kind"]
    assert "XYZZY" not in json.dumps(found)
    ticket = office.get(f"/tickets/{found[2]['number']}").json()
    assert (ticket["channel"], ticket["kind"]) == ("import", "help")
    assert ticket["occurred_at"] == "2026-11-18T19:30:00+08:00"
    assert ticket["text"] == ROWS[0][0]
    caller = office.get(f"/tickets/{found[4]['number']}/caller").json()
    assert caller["phone"] == "13820005678转3"


def test_a_workbook_keeps_phones_as_numbers_and_days_as_moments(office: Office) -> None:
    rows = (
        ("text", "caller.phone", "occurred_at", "caller.confidential"),
        ("楼道灯坏了", 13820001234, datetime(2026, 11, 18, 19, 30), True),  # noqa: DTZ001
        ("=1+1", 13820001234.0, None, "否"),
    )
    done = ended(office, upload(office, as_xlsx(rows)).json()["id"])
    first, second = lines(office, done["id"])
    ticket = office.get(f"/tickets/{first['number']}").json()
    assert (ticket["confidential"], ticket["occurred_at"]) == (True, "2026-11-18T19:30:00+08:00")
    assert office.get(f"/tickets/{first['number']}/caller").json()["phone"] == "13820001234"
    assert second["refusals"] == [
        {"field": "text", "message": "必须填写"}
    ]  # a formula says nothing


def test_a_dry_run_stores_nothing_and_can_then_be_taken_in(office: Office) -> None:
    before = office.counts()
    job = upload(office, as_csv((HEADINGS, *ROWS)), dry_run="true").json()["id"]
    tried = ended(office, job)
    assert (tried["accepted"], tried["refused"], office.counts()) == (2, 3, before)
    assert [line["row"] for line in lines(office, job)] == [3, 5, 6]
    assert office.post(f"/imports/{job}/start", {}).status_code == 202
    done = ended(office, job)
    assert (done["dry_run"], done["accepted"], done["refused"]) == (False, 2, 3)
    assert [line["row"] for line in lines(office, job)] == [2, 3, 4, 5, 6]
    assert office.counts()["ticket"] == before["ticket"] + 2
    again = office.post(f"/imports/{job}/start", {})
    assert again.json()["type"] == "urn:hotline:problem:not-tried"


def test_a_mapping_names_columns_that_nobody_would_guess(office: Office) -> None:
    rows = (("甲", "乙"), ("楼道灯坏了", "张三"))
    lacking = upload(office, as_csv(rows))
    assert lacking.json()["type"] == "urn:hotline:problem:bad-mapping"
    given = json.dumps({"text": "甲", "caller.name": "乙"})
    done = ended(office, upload(office, as_csv(rows), mapping=given).json()["id"])
    assert done["accepted"] == 1


def bomb() -> bytes:
    sink = io.BytesIO(as_xlsx(rows=(("text",),)))
    with zipfile.ZipFile(sink, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/more.bin", bytes(401_000_000))
    return sink.getvalue()


def replaced(part: str, old: bytes, new: bytes) -> bytes:
    """A sound workbook in which a part says something else."""
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_xlsx((("text",), ("灯坏了",))))) as sound,
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as parts,
    ):
        for name in sound.namelist():
            content = sound.read(name)
            if name == part:
                assert old in content
                content = content.replace(old, new)
            parts.writestr(name, content)
    return sink.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
STYLE = b'<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'


def styled() -> bytes:
    """A workbook of a few kilobytes with very many cell styles."""
    return replaced("xl/styles.xml", b"</cellXfs>", STYLE * 200_000 + b"</cellXfs>")


def test_a_workbook_that_cannot_be_read_stops_no_other(idle: Office) -> None:
    far = replaced(SHEET, b'<row r="2">', b'<row r="2147483647">')
    hostile, sound = (upload(idle, content).json()["id"] for content in (far, many(3)))
    at_work = importer(idle)
    while at_work.step():
        pass
    failed = idle.get(f"/imports/{hostile}").json()
    assert (failed["state"], "行号" in failed["reason"]) == ("failed", True)
    assert idle.get(f"/imports/{sound}").json()["accepted"] == 3
    at_work.close()


def test_empty_rows_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.intake.imports.sheets.LAST_ROW", 1000)
    many_rows = replaced(SHEET, b"</sheetData>", b"<row/>" * 1001 + b"</sheetData>")
    with pytest.raises(SheetError, match="行号"):
        list(read_sheet(io.BytesIO(many_rows)).rows)


@pytest.mark.parametrize(("memory", "seconds"), [(250 << 20, 60), (1 << 30, 1)])
def test_a_table_that_takes_too_much_to_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, memory: int, seconds: int
) -> None:
    monkeypatch.setattr("services.intake.imports.apart.MEMORY_BYTES", memory)
    endless = replaced(SHEET, b"</row></sheetData>", b"<c/>" * 8_000_000 + b"</row></sheetData>")
    with TemporaryFile() as file:
        file.write(endless)
        with pytest.raises(SheetError, match="太占内存"), read_apart(file, seconds) as sheet:
            list(sheet.rows)


def test_what_a_table_is_read_with_ends_with_it_and_knows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOTLINE_VAULT_KEY", "s3cret")
    me = psutil.Process()
    with TemporaryFile() as file:
        file.write(many(50_000))
        with read_apart(file) as sheet:
            (child,) = me.children()
            assert "s3cret" not in str(child.environ())
            assert next(sheet.rows)[0] == 2
        assert me.children() == []


def test_an_import_that_is_counted_ends_when_it_is_cancelled(
    idle: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.intake.imports.running.LOOK_SECONDS", 0.0)
    job = upload(idle, many(20_000)).json()["id"]
    at_work = importer(idle)
    ordinary, looks = at_work._still, []

    def cancelled_at_the_second_look(row: ImportRow) -> bool:
        looks.append(row)
        if len(looks) == 2:
            idle.post(f"/imports/{job}/cancel", {})
        return ordinary(row)

    monkeypatch.setattr(at_work, "_still", cancelled_at_the_second_look)
    assert not at_work.step()
    assert len(looks) == 2
    assert idle.get(f"/imports/{job}").json()["state"] == "cancelled"
    assert not at_work.step()
    at_work.close()


@pytest.mark.parametrize(
    "content",
    [
        '诉求内容,地址\n"楼道灯坏了,迎水里\n下水道堵了,宜宾里\n',
        '诉求内容,地址\n"楼道灯坏了,迎水里\n下水道堵了,"宜宾里"\n',
        '诉求内容,地址\n"他说"没人管"",迎水里\n',
    ],
)
def test_a_quotation_mark_that_does_not_close_swallows_no_row(office: Office, content: str) -> None:
    before = office.counts()["ticket"]
    answer = upload(office, content.encode())
    failed = ended(office, answer.json()["id"])
    assert (failed["state"], failed["accepted"]) == ("failed", 0)
    assert "第2行起引号不成对" in failed["reason"]
    assert office.counts()["ticket"] == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "空"),
        (b"\xff" * 100, "编码"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "xls"),
        (b"PK\x03\x04" + bytes(100), "损坏"),
        (as_csv((("text", "text"), ("x", "y"))), "同名"),
        (bomb, "过大"),
        (styled, "过大"),
    ],
)
def test_what_is_no_table_is_refused_at_once(
    office: Office, content: bytes | Callable[[], bytes], said: str
) -> None:
    answer = upload(office, content if isinstance(content, bytes) else content())
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:hotline:problem:unreadable-table",
    )
    assert said in answer.json()["detail"]


def test_a_table_that_cannot_be_read_to_its_end_takes_nothing_in(office: Office) -> None:
    before = office.counts()["ticket"]
    content = as_csv((HEADINGS, ROWS[0])) + '"没有结束的引号'.encode() + b"x" * 200_000
    job = upload(office, content).json()["id"]
    failed = ended(office, job)
    assert (failed["state"], failed["done"]) == ("failed", 0)
    assert "引号" in failed["reason"]
    assert office.counts()["ticket"] == before


@pytest.mark.parametrize(
    "mapping", ["[]", "{", '{"text": 1}', '{"phone": "联系电话"}', '{"text": "没有这列"}']
)
def test_a_bad_mapping_says_what_to_change(office: Office, mapping: str) -> None:
    answer = upload(office, as_csv((HEADINGS, *ROWS)), mapping=mapping)
    assert answer.json()["type"] == "urn:hotline:problem:bad-mapping"


def test_the_same_file_under_the_same_key_is_one_import(office: Office) -> None:
    content = as_csv((HEADINGS, *ROWS))
    first, again = (upload(office, content, key="monday").json() for _ in range(2))
    assert first["id"] == again["id"]
    other = upload(office, as_csv((HEADINGS, ROWS[0])), key="monday")
    assert other.json()["type"] == "urn:hotline:problem:idempotency-key-reused"


def many(count: int) -> bytes:
    return as_csv((("text", "external_id"), *((f"第{n}盏路灯不亮", f"a{n}") for n in range(count))))


def test_what_a_crash_left_half_done_is_gone_on_with_and_makes_no_ticket_twice(
    idle: Office,
) -> None:
    job = upload(idle, many(3 * BATCH + 5)).json()["id"]
    first = importer(idle)
    first.step()  # counts
    first.step()
    database = idle.running.runtime.database
    assert idle.get(f"/imports/{job}").json()["done"] == BATCH
    with database.writing() as writer:  # the second batch was stored, its progress was not
        writer.execute(text("CREATE TABLE saved AS SELECT * FROM import"))
    first.step()
    with database.writing() as writer:
        writer.execute(
            text(
                "UPDATE import SET position = s.position, accepted = s.accepted FROM saved s;"
                " DELETE FROM import_line WHERE row > (SELECT position FROM saved);"
                " DROP TABLE saved"
            )
        )
    second = importer(idle)
    assert not second.step()  # the first still has it
    with database.writing() as writer:
        writer.execute(text("UPDATE import SET leased_until = now() - interval '1 second'"))
    while second.step():
        pass
    done = idle.get(f"/imports/{job}").json()
    assert (done["state"], done["accepted"], done["refused"]) == ("done", 3 * BATCH + 5, 0)
    assert idle.counts()["ticket"] == 3 * BATCH + 5
    numbers = {line["number"] for line in lines(idle, job, "?limit=2000")}
    assert len(numbers) == 3 * BATCH + 5
    assert not first.step()
    for each in (first, second):
        each.close()


def test_calls_go_first(idle: Office) -> None:
    upload(idle, many(AHEAD + 2 * BATCH + 1))
    at_work = importer(idle, AHEAD)
    while at_work.step():
        pass
    assert idle.counts()["ticket"] == AHEAD + BATCH
    with idle.running.runtime.database.writing() as writer:
        writer.execute(text("UPDATE ticket SET classified_version = 1"))
    while at_work.step():
        pass
    assert idle.counts()["ticket"] == AHEAD + 2 * BATCH + 1
    at_work.close()


def test_a_cancelled_import_stops_and_what_it_took_stays(idle: Office) -> None:
    job = upload(idle, many(2 * BATCH)).json()["id"]
    at_work = importer(idle)
    at_work.step()
    at_work.step()
    assert idle.post(f"/imports/{job}/cancel", {}).json()["state"] == "cancelled"
    assert not at_work.step()
    assert idle.counts()["ticket"] == BATCH
    assert idle.post(f"/imports/{job}/cancel", {}).status_code == 409
    assert idle.rows("SELECT count(*) FROM import_part") == [(0,)]
    at_work.close()


def test_the_file_is_kept_sealed_and_only_as_long_as_it_is_needed(idle: Office) -> None:
    upload(idle, as_csv((HEADINGS, *ROWS)), "张三13820001234.csv")
    kept = idle.rows("SELECT sealed FROM import_part")
    assert kept
    assert all("张三".encode() not in bytes(row[0]) for row in kept)
    assert "13820001234" not in idle.rows("SELECT name FROM import")[0][0]
    at_work = importer(idle)
    while at_work.step():
        pass
    assert idle.rows("SELECT count(*) FROM import_part") == [(0,)]
    at_work.close()


def test_a_channels_number_that_another_row_has_is_refused_with_the_ticket_that_has_it(
    office: Office,
) -> None:
    rows = (("text", "external_id"), ("路灯不亮", "dup"), ("路灯不亮", "dup"), ("井盖丢了", "dup"))
    done = ended(office, upload(office, as_csv(rows)).json()["id"])
    first, same, other = lines(office, done["id"])
    assert first["number"] == same["number"]
    assert other["number"] is None
    assert first["number"] in other["refusals"][0]["message"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_result_opens_in_a_spreadsheet_and_carries_no_formula(
    office: Office, form: str
) -> None:
    rows = (("text", "external_id"), ("路灯不亮", "=cmd"), ("", "x"))
    job = ended(office, upload(office, as_csv(rows)).json()["id"])["id"]
    answer = office.get(f"/imports/{job}/lines.{form}")
    assert answer.status_code == 200
    if form == "csv":
        found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    else:
        sheet = load_workbook(io.BytesIO(answer.content)).active
        found = [["" if cell is None else str(cell) for cell in row] for row in sheet.values]
    assert found[0] == ["行号", "工单号", "字段", "未收原因"]
    assert [row[0] for row in found[1:]] == ["2", "3"]
    assert found[2][2:] == ["text", "必须填写"]
    refused = office.get(f"/imports/{job}/lines.csv?refused=true")
    assert len(refused.content.decode().splitlines()) == 2


def test_a_program_sees_its_own_imports_and_nobody_elses(office: Office) -> None:
    job = upload(office, as_csv((HEADINGS, *ROWS))).json()["id"]
    assert job in [each["id"] for each in office.get("/imports").json()]
    assert office.get("/imports", Role.SYSTEM).json() == []
    for path in (f"/imports/{job}", f"/imports/{job}/lines", "/imports/x"):
        assert office.get(path, Role.SYSTEM).status_code == 404


@pytest.mark.parametrize(
    ("cell", "iso"),
    [
        ("2026-11-18 19:30", "2026-11-18T19:30:00+08:00"),
        ("2026/11/18 19:30:05", "2026-11-18T19:30:05+08:00"),
        ("2026年11月18日19时30分", "2026-11-18T19:30:00+08:00"),
        ("2026.11.18", "2026-11-18T00:00:00+08:00"),
        ("2026-11-18T11:30:00Z", "2026-11-18T19:30:00+08:00"),
    ],
)
def test_a_time_without_an_offset_is_on_the_wall_here(cell: str, iso: str) -> None:
    said = submission(["灯坏了", cell], {"text": 0, "occurred_at": 1})
    assert not isinstance(said, list)
    assert said.occurred_at == datetime.fromisoformat(iso)


def test_a_field_is_found_under_the_names_it_is_known_by() -> None:
    assert columns_of(("编号", "手机", "内容"), {}) == {
        "external_id": 0,
        "caller.phone": 1,
        "text": 2,
    }
    with pytest.raises(MappingError):
        columns_of(("电话",), {})


def test_a_row_that_is_far_down_costs_no_memory_above_it() -> None:
    book = Workbook()
    book.active["A1"] = "text"
    book.active["A900000"] = "灯坏了"
    sink = io.BytesIO()
    book.save(sink)
    assert list(read_sheet(sink).rows) == [(900000, ["灯坏了"])]
    with pytest.raises(SheetError):
        read_sheet(io.BytesIO(b"\n\n\n"))
