"""Lists over HTTP as tables for a spreadsheet: one bound, one answer, for every service."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from fastapi.responses import StreamingResponse

from shared.calendar import SHANGHAI
from shared.problems import Problem
from shared.spreadsheets import csv_lines, workbook

FileForm = Literal["csv", "xlsx"]
MEDIA: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "表格文件，首行是表头；任何一格都不是公式",
        "content": {kind: {} for kind in MEDIA.values()},
    }
}
"""The answer of a route that gives a table, for its description."""
MOST_ROWS: Final = 20_000
"""Of a list that is given whole. A row costs a millisecond, and of a workbook nothing is sent
before its last row is read: so it comes before clients and proxies give up."""
ROWS_AT_ONCE: Final = 500
"""Rows read in one transaction; the table is told row by row."""


def bounded(found: Sequence[str]) -> Sequence[str]:
    """What was found, looked for up to MOST_ROWS and one more. Raises Problem where it is more."""
    if len(found) > MOST_ROWS:
        detail = f"符合条件的超过 {MOST_ROWS} 件，请缩小范围后再导出"
        raise Problem(422, detail, slug="too-many-rows")
    return found


def as_file(
    form: FileForm, name: str, title: str, rows: Iterable[Sequence[str]]
) -> StreamingResponse:
    """A table as a file of this name, sent while its rows are read."""
    content = csv_lines(rows) if form == "csv" else workbook(title, rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(content, media_type=MEDIA[form], headers=headers)


def moment(at: datetime | None) -> str:
    """An instant in a cell, on the wall in Shanghai; empty for none."""
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""
