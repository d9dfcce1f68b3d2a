"""Cells that a spreadsheet shows and does not carry out, and tables made of them."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_STARTS_A_FORMULA: Final = (*"=+-@＝＋－＠", "\t", "\r", "\n")
"""A spreadsheet with a Chinese keyboard takes the wide signs for the narrow ones."""
PIECE_BYTES: Final = 1 << 16


def inert(cell: str) -> str:
    """The cell with an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _is_formula(cell) else cell


def as_written(cell: str) -> str:
    """The cell as it was before `inert`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Whether it begins like a formula, behind apostrophes perhaps: these must come back too."""
    return cell.lstrip("'").startswith(_STARTS_A_FORMULA)


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A table as a spreadsheet opens it, some rows at a time; no cell is a formula.

    UTF-8 with its mark.
    """
    piece = io.BytesIO(b"\xef\xbb\xbf")
    piece.seek(0, io.SEEK_END)
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(map(inert, row))
        piece.write(line.getvalue().encode())
        if piece.tell() >= PIECE_BYTES:
            yield piece.getvalue()
            piece = io.BytesIO()
    yield piece.getvalue()


def workbook(title: str, rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A table as a workbook, piece by piece; no cell is a formula."""
    # with numpy behind it a sixth of a service's memory and start, seldom needed
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append([inert(ILLEGAL_CHARACTERS_RE.sub("", cell)) for cell in row])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece
