"""What a citizen wrote is never carried out by a clerk's spreadsheet."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spreadsheets import PIECE_BYTES, as_written, csv_lines, inert, workbook


@pytest.mark.parametrize(
    "cell", ["=1+1", "+86 138", "-2+3+cmd|' /C calc'!A0", "@SUM(1+1)", "\t=1", "\r=1", "'=1"]
)
def test_a_formula_is_quoted(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "路灯坏了", "3号楼", "'引号开头", " =1"])
def test_words_stay_as_they_are(cell: str) -> None:
    assert inert(cell) == as_written(cell) == cell


@given(st.text())
def test_reading_gives_back_what_was_written(cell: str) -> None:
    assert as_written(inert(cell)) == cell


def test_a_table_of_any_length_is_told_in_pieces_and_in_bounded_memory() -> None:
    words = "路灯坏了" * 25
    rows = ((str(row), words, "=1") for row in range(50_000))
    tracemalloc.start()
    length = sum(len(piece) for piece in csv_lines(rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length > 50_000 * len(words.encode())
    assert peak < 20 * PIECE_BYTES


@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_no_row_is_lost_between_pieces(rows: int) -> None:
    lines = b"".join(csv_lines((str(row), "字" * 30) for row in range(rows))).splitlines()
    assert [line.split(b",")[0] for line in lines[1:]] == [b"%d" % row for row in range(1, rows)]
    assert b"".join(workbook("表", [("a",)])).startswith(b"PK")
