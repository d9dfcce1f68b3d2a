"""The monthly sheet: figures of both databases, with the district's totals.

A total is the sum of numerators over the sum of denominators, never a mean of rates; where there
is nothing to divide by stands “—”.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg
from openpyxl import Workbook
from openpyxl.styles import Font
from psycopg.rows import dict_row

from deploy.figures.definitions import FIGURES, SMALL, Figure
from shared.spreadsheets import inert

NOTHING: Final = "—"
WHOLE: Final = "全区"
NOT_SUPPLIED: Final = "话务（接通率、15 秒接通率、排队时长）：未提供，须由话务平台导入。"
COUNTED: Final = (
    "自然月，北京时间。率为分子÷分母，均列在旁；没有分母的为“—”。"
    f"分母不足 {SMALL} 的单位只列数，不作比较。"
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its first column says whose row it is, its last row is the district's."""

    figure: Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def month_of(said: str) -> date:
    """The first day of a month written 2026-11. Raises ValueError."""
    return date.fromisoformat(f"{said}-01")


def sections(databases: Mapping[str, str], month: date, names: Mapping[str, str]) -> list[Section]:
    """Every figure of a month, from the databases' addresses. Raises psycopg.Error."""
    found = []
    for figure in FIGURES:
        with psycopg.connect(databases[figure.database], row_factory=dict_row) as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            query = figure.sql.replace("{month}", "CAST(%(month)s AS date)").encode()
            cursor = connection.execute(query, {"month": month})
            columns = tuple(column.name for column in cursor.description or ())
            found.append(section(figure, columns, cursor.fetchall(), names))
    return found


def section(
    figure: Figure, columns: Sequence[str], rows: Sequence[Row], names: Mapping[str, str]
) -> Section:
    """A figure's rows by the units' names, and the district's total under them."""
    whose, *told = columns
    lines = [
        (names.get(row[whose], row[whose]) or NOTHING, *(_cell(row[name]) for name in told))
        for row in rows
    ]
    sums = {
        name: sum(int(row[name] or 0) for row in rows) for name in told if name not in figure.shares
    }
    total: list[object] = [WHOLE]
    for name in told:
        if name in figure.shares:
            part, whole = (sums[column] for column in figure.shares[name])
            total.append(part / whole if whole else NOTHING)
        else:
            total.append(sums[name])
    return Section(figure, tuple(columns), (*lines, tuple(total)) if rows else ())


def _cell(value: object) -> object:
    if value is None:
        return NOTHING
    return value if isinstance(value, float) else int(str(value))


def as_text(month: date, found: Sequence[Section]) -> str:
    """The report as plain text, columns parted by tabs."""
    parts = [f"{month:%Y年%m月}热线办理月报", COUNTED, ""]
    for each in found:
        parts += [f"【{each.figure.title}】{each.figure.how}"]
        parts += ["\t".join(each.columns)] if each.rows else ["本月没有"]
        parts += ["\t".join(_shown(cell) for cell in row) for row in each.rows]
        parts.append("")
    return "\n".join([*parts, NOT_SUPPLIED, ""])


def as_csv(month: date, found: Sequence[Section]) -> str:
    """The report as one CSV for a spreadsheet; no cell is a formula."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow([f"{month:%Y年%m月}热线办理月报", COUNTED])
    for each in found:
        writer.writerow([])
        writer.writerow([each.figure.title, each.figure.how])
        writer.writerow(each.columns)
        writer.writerows([inert(_shown(cell)) for cell in row] for row in each.rows)
    writer.writerow([NOT_SUPPLIED])
    return "\ufeff" + sink.getvalue()


def as_xlsx(month: date, found: Sequence[Section]) -> bytes:
    """The report as a workbook, a sheet for each figure; rates are numbers shown in per cent."""
    book = Workbook()
    cover = book.active
    assert cover is not None
    cover.title = "说明"
    for line in (f"{month:%Y年%m月}热线办理月报", COUNTED, NOT_SUPPLIED):
        cover.append([line])
    for each in found:
        sheet = book.create_sheet(each.figure.title)
        sheet.append([each.figure.how])
        sheet.append(list(each.columns))
        for cell in sheet[2]:
            cell.font = Font(bold=True)
        for row in each.rows:
            sheet.append([inert(cell) if isinstance(cell, str) else cell for cell in row])
            for cell, value in zip(sheet[sheet.max_row], row, strict=True):
                if isinstance(value, float):
                    cell.number_format = "0.0%"
        sheet.freeze_panes = "B3"
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _shown(cell: object) -> str:
    return f"{cell:.1%}" if isinstance(cell, float) else str(cell)


FORMATS: Final[Mapping[str, Callable[[date, Sequence[Section]], str | bytes]]] = {
    "text": as_text,
    "csv": as_csv,
    "xlsx": as_xlsx,
}
