"""A sheet of tickets on the pages: tried, corrected, taken in, and every row accounted for."""

from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.desk.conftest import PASSWORD, Office

SHEET = """诉求内容,地址,电话
长江道路灯不亮,保山南里3号楼,13820001234
,南开区,13820001235
暖气一直不热,华阳里,13820001236
"""


@pytest.fixture
def importing(office: Office) -> Page:
    """An operator in front of the form for a sheet."""
    operator = office.sign_in("李芳")
    operator.click("nav >> text=批量导入")
    return operator


def tried(page: Page, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    page.set_input_files("#table", path)
    page.click('main form button:text-is("试导")')


def test_a_sheet_is_tried_and_then_taken_in(importing: Page, tmp_path: Path) -> None:
    tried(importing, tmp_path / "八月.csv", SHEET.encode("gb18030"))
    expect(importing.locator("[role=status]")).to_contain_text("试导已完成", timeout=20_000)
    expect(importing.locator("main")).to_contain_text("可收 2 件 · 未收 1 行")
    expect(importing.locator("tbody tr")).to_contain_text("3诉求内容")
    importing.click("text=正式导入 2 件")
    expect(importing.locator("[role=status]")).to_contain_text("收下 2 件", timeout=20_000)
    with importing.expect_download() as loading:
        importing.click("text=下载每一行的结果")
    assert Path(loading.value.path()).read_bytes().startswith(b"PK")
    importing.goto("/tickets?q=暖气一直不热")
    expect(importing.locator("tbody")).to_contain_text("暖气一直不热")


def test_a_heading_nobody_knows_is_named_by_hand(importing: Page, tmp_path: Path) -> None:
    strange = SHEET.replace("诉求内容", "群众说的").encode()
    tried(importing, tmp_path / "a.csv", strange)
    expect(importing.locator(".error")).to_be_visible()
    importing.click("text=表头写法不一样")
    importing.fill("[id='m-text']", "群众说的")
    tried(importing, tmp_path / "b.csv", strange)
    expect(importing.locator("[role=status]")).to_contain_text("试导已完成", timeout=20_000)
    expect(importing.locator("dl")).to_contain_text("“群众说的”列")


def test_what_is_no_table_is_refused_with_a_sentence(importing: Page, tmp_path: Path) -> None:
    tried(importing, tmp_path / "图.xlsx", b"\x89PNG nothing")
    expect(importing.locator(".error")).to_be_visible()


def test_a_sheet_without_the_pages_token_is_not_taken(office: Office) -> None:
    sheet = {"table": ("a.csv", SHEET.encode())}
    assert httpx2.post(f"{office.address}/imports", files=sheet).status_code == 303
    with httpx2.Client(base_url=office.address) as client:
        client.post("/login", data={"name": "李芳", "password": PASSWORD})
        assert client.post("/imports", files=sheet).status_code == 403
