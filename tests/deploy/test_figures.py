"""The monthly report: totals are sums, nothing is never a rate, no cell is a formula."""

import csv
import io
from datetime import date
from types import MappingProxyType

import pytest
from openpyxl import load_workbook

from deploy.figures.definitions import FIGURES, Figure
from deploy.figures.report import as_csv, as_text, as_xlsx, month_of, section

FIGURE = Figure(
    "时限", "说明。", "router", "", MappingProxyType({"按时办结率": ("按时办结", "应办结")})
)
COLUMNS = ("单位", "应办结", "按时办结", "按时办结率")
MONTH = date(2026, 11, 1)


def rows(*values: tuple[str | None, int | None, int | None]) -> list[dict[str, object]]:
    return [
        {
            "单位": unit,
            "应办结": due,
            "按时办结": kept,
            "按时办结率": kept / due if due and kept is not None else None,
        }
        for unit, due, kept in values
    ]


def test_the_districts_rate_is_the_sums_not_the_mean() -> None:
    told = rows(("water", 100, 90), ("power", 1, 0))
    found = section(FIGURE, COLUMNS, told, {"water": "天津水务"})
    assert found.rows == (
        ("天津水务", 100, 90, 0.9),
        ("power", 1, 0, 0.0),
        ("全区", 101, 90, 90 / 101),
    )


def test_nothing_to_divide_by_is_no_rate() -> None:
    found = section(FIGURE, COLUMNS, rows(("water", 0, 0), (None, None, None)), {})
    assert found.rows[0] == ("water", 0, 0, "—")
    assert found.rows[1] == ("—", "—", "—", "—")
    assert found.rows[-1] == ("全区", 0, 0, "—")
    assert section(FIGURE, COLUMNS, [], {}).rows == ()


def test_the_three_forms_say_the_same() -> None:
    found = [section(FIGURE, COLUMNS, rows(("water", 8, 6)), {"water": "=天津水务"})]
    assert "=天津水务\t8\t6\t75.0%" in as_text(MONTH, found)
    lines = list(csv.reader(io.StringIO(as_csv(MONTH, found).removeprefix("\ufeff"))))
    assert ["'=天津水务", "8", "6", "75.0%"] in lines
    sheet = load_workbook(io.BytesIO(as_xlsx(MONTH, found)))["时限"]
    assert [cell.value for cell in sheet[3]] == ["'=天津水务", 8, 6, 0.75]
    assert {cell.data_type for row in sheet for cell in row} <= {"s", "n"}
    assert sheet["D3"].number_format == "0.0%"
    for form in (as_text(MONTH, found), as_csv(MONTH, found)):
        assert "2026年11月" in form
        assert "未提供" in form


def test_a_month_without_anything_says_so() -> None:
    assert "本月没有" in as_text(MONTH, [section(FIGURE, COLUMNS, [], {})])


@pytest.mark.parametrize("said", ["2026-13", "2026", "11-2026", "2026-11-01", ""])
def test_a_month_is_written_in_one_way(said: str) -> None:
    assert month_of("2026-11") == MONTH
    with pytest.raises(ValueError, match=r"Invalid|month|day"):
        month_of(said)


def test_every_rate_names_columns_of_its_own_figure() -> None:
    assert len({figure.title for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        for share, (part, whole) in figure.shares.items():
            for column in (share, part, whole):
                assert f'AS "{column}"' in figure.sql, (figure.title, column)
