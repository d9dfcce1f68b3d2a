"""Reading the policy's tables: every fault is a sentence with its file and line."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from services.router.domain.policy import PolicyError
from shared.calendar import Limit, LimitError, parse_limit

SEPARATOR: Final = "|"
DAY: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
MOST_DIGITS: Final = 9
"""Of a whole number in a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; its cells are stripped. Each reader raises PolicyError."""

    file: str
    line: int
    cells: dict[str, str]

    def error(self, reason: str) -> PolicyError:
        """The fault of this row, to be raised."""
        return PolicyError(self.file, self.line, reason)

    def text(self, column: str) -> str:
        """The cell, which may be empty."""
        return self.cells[column]

    def required(self, column: str) -> str:
        """The cell, which may not be empty."""
        if not self.cells[column]:
            raise self.error(f"“{column}”不能为空")
        return self.cells[column]

    def known(self, column: str, allowed: Collection[str], what: str) -> str:
        """The cell, which must be one of `allowed`; `what` names them for people."""
        value = self.required(column)
        if value not in allowed:
            raise self.error(f"未知的{what}“{value}”")
        return value

    def known_or_none(self, column: str, allowed: Collection[str], what: str) -> str | None:
        """The cell, empty or one of `allowed`."""
        return self.known(column, allowed, what) if self.cells[column] else None

    def yes_or_no(self, column: str) -> bool:
        """The cell, which must be yes or no."""
        return self.known(column, ("yes", "no"), f"取值（{column}须为yes或no）") == "yes"

    def parts(self, column: str) -> tuple[str, ...]:
        """The parts of a cell that `|` separates."""
        return tuple(part.strip() for part in self.cells[column].split(SEPARATOR) if part.strip())

    def day(self, column: str) -> date | None:
        """The cell as a date, also as spreadsheets write it (2021/1/1); None where it is empty."""
        value = self.cells[column]
        if not value:
            return None
        written = DAY.fullmatch(value)
        if written is not None:
            with suppress(ValueError):
                return date(*map(int, written.groups()))
        raise self.error(f"日期“{value}”不是YYYY-MM-DD")

    def limit(self, column: str) -> Limit | None:
        """The cell as a limit such as 15min, 4h, 2wd or 15cd, None where it is empty."""
        value = self.cells[column]
        try:
            return parse_limit(value) if value else None
        except LimitError:
            raise self.error(f"时限“{value}”应如15min、4h、2wd、15cd") from None

    def code(self, column: str, digits: int) -> str:
        """The cell as a code of so many digits: a spreadsheet may have spoilt it."""
        value = self.required(column)
        if not (value.isascii() and value.isdigit() and len(value) == digits):
            raise self.error(
                f"代码“{value}”不是{digits}位数字（电子表格可能改动过，请设为文本格式）"
            )
        return value

    def number(self, column: str) -> int:
        """The cell as a whole number."""
        value = self.required(column)
        if not (value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS):
            raise self.error(f"“{value}”不是整数")
        return int(value)


def decoded(path: Path) -> str:
    """The text of a table that a person or a spreadsheet saved, in UTF-8 or in GB18030.

    Raises PolicyError where it is missing, cannot be read, or is neither.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise PolicyError(path.name, 0, "文件不存在") from None
    except OSError as error:
        raise PolicyError(path.name, 0, f"读不了（{error.strerror}）") from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise PolicyError(path.name, 0, "不是UTF-8或GB18030编码")


def read_table(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> tuple[Row, ...]:
    """The rows of a CSV file whose header is `columns`, then any of the `optional` ones.

    Raises PolicyError where the file cannot be read, or the header or a row's number of
    cells differs.
    """
    rows: list[Row] = []
    for row in parse_table(path.name, decoded(path), columns, optional):
        if isinstance(row, PolicyError):
            raise row
        rows.append(row)
    return tuple(rows)


def parse_table(
    file: str, content: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[Row | PolicyError]:
    """The rows of a table, one a line, and in place of a line that is no row of it its fault.

    Each line is read by itself: a quotation mark that is never closed spoils no other row.
    Optional columns that the header, or the end of a line, leaves out are empty. Raises
    PolicyError where the header is another.
    """
    lines = io.StringIO(content, newline=None)
    header = _cells(next(lines, "")) or ()
    more = header[len(columns) :]
    if header[: len(columns)] != columns or len(set(more)) < len(more) or set(more) - {*optional}:
        also = f"，其后可有{','.join(optional)}" if optional else ""
        raise PolicyError(file, 1, f"表头应为{','.join(columns)}{also}")
    blank = dict.fromkeys(optional, "")
    for number, line in enumerate(lines, start=2):
        cells = _cells(line)
        if cells is None:
            yield PolicyError(file, number, "引号不成对、一格里有换行，或内容过长")
        elif any(cells) and not len(columns) <= len(cells) <= len(header):
            wanted = len(columns) if len(cells) < len(columns) else len(header)
            yield PolicyError(file, number, f"应有{wanted}列，实有{len(cells)}列")
        elif any(cells):
            yield Row(file, number, blank | dict(zip(header, cells, strict=False)))


def _cells(line: str) -> tuple[str, ...] | None:
    """The stripped cells of a line, None where it is no line of a CSV file."""
    try:
        return tuple(cell.strip() for cell in next(csv.reader([line], strict=True), []))
    except csv.Error:
        return None


def refuse_duplicates(rows: Iterable[Row], *columns: str) -> None:
    """Raises PolicyError at the first row that repeats an earlier one in `columns`."""
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(row.text(column) for column in columns)
        if key in seen:
            raise row.error(f"“{'、'.join(key)}”与第{seen[key]}行重复")
        seen[key] = row.line
