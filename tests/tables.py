"""Files that services give for a spreadsheet, as a person would find them there."""

import csv
import io
from collections.abc import Sequence

from openpyxl import load_workbook


def table_of(content: bytes, form: str) -> list[Sequence[str]]:
    """The rows of a CSV file or of a workbook's only sheet; no cell of it is a formula."""
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet = load_workbook(io.BytesIO(content)).active
    assert all(cell.data_type != "f" for row in sheet.rows for cell in row)
    return [["" if cell is None else str(cell) for cell in row] for row in sheet.values]


def named(content: bytes, form: str = "csv") -> list[dict[str, str]]:
    """The same, each row by its headings."""
    headings, *rows = table_of(content, form)
    return [dict(zip(headings, row, strict=True)) for row in rows]
