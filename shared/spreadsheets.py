"""Cells that a spreadsheet shows and does not carry out."""

from typing import Final

_STARTS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def inert(cell: str) -> str:
    """The cell with an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _is_formula(cell) else cell


def as_written(cell: str) -> str:
    """The cell as it was before `inert`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Whether it begins like a formula, behind apostrophes perhaps: these must come back too."""
    return cell.lstrip("'").startswith(_STARTS_A_FORMULA)
