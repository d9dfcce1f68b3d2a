"""What a citizen wrote is never carried out by a clerk's spreadsheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spreadsheets import as_written, inert


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
