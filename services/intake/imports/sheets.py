"""Tables as spreadsheets save them, row by row: CSV in UTF-8, UTF-16 or GB18030, and XLSX.

A CSV is decoded as it is read and a workbook streamed, but what a hostile file makes the library
hold or count has no bound here: whoever reads a stranger's file does so in `apart`.
"""

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Final

ENCODINGS: Final = ("utf-8-sig", "gb18030")
CHUNK: Final = 1 << 16
MOST_COLUMNS: Final = 200
LONGEST_HEADING: Final = 100
LONGEST_CELL: Final = 131_072
"""Characters; a cell that is longer is a quotation mark that was never closed."""
LAST_ROW: Final = 1_048_576
"""As many rows as a spreadsheet has; the empty ones below the last are made up by nobody else."""
UNPACKED_BYTES: Final = 400_000_000
"""What the parts of a workbook may come to: 100,000 long tickets are a quarter of it."""
SHARED_BYTES: Final = 150_000_000
"""What a workbook's shared words may come to, which are held in memory."""
HELD_BYTES: Final = 10_000_000
"""What each other part may come to, which is held too: 64,000 styles, the most there may be."""
MOST_PARTS: Final = 500
"""A sheet is one part or two, and only the first is read."""
SHARED: Final = "xl/sharedStrings.xml"
STREAMED: Final = (SHARED, "xl/worksheets/", "xl/media/")
WORKBOOK: Final = b"PK\x03\x04"
OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"

Row = tuple[int, Sequence[str]]
"""A row's number as a spreadsheet counts from 1, and its cells."""


class SheetError(Exception):
    """The file is no table that can be read; the sentence says why and what helps."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its headings, which are its first row, and its other rows once, in order.

    Empty rows are left out. Reading the rows may raise SheetError.
    """

    headings: Sequence[str]
    rows: Iterator[Row]


def read_sheet(file: IO[bytes]) -> Sheet:
    """The table in a file that can be read from its start. Raises SheetError."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == OLD_WORKBOOK:
        raise SheetError("这是旧版 .xls 或加了密码的文件，请另存为不带密码的 .xlsx 或 .csv")
    rows = _workbook(file) if start == WORKBOOK else _text(file)
    found = next(rows, None)
    if found is None:
        raise SheetError("文件是空的")
    headings = tuple(cell.strip()[:LONGEST_HEADING] for cell in found[1])
    named = [heading for heading in headings if heading]
    if len(set(named)) < len(named):
        raise SheetError("表头里有两列同名，请改名后再导入")
    return Sheet(headings, rows)


def _text(file: IO[bytes]) -> Iterator[Row]:
    encoding = _encoding(file)
    lines = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        separator = _separator(lines.readline(LONGEST_CELL))
        lines.seek(0)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error:
                raise SheetError(f"第{number}行起引号不成对，或有一格过长") from None
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield number, cells[:MOST_COLUMNS]
    finally:
        lines.detach()  # the file is its owner's


def _encoding(file: IO[bytes]) -> str:
    """The first encoding that the whole file is sound in. Raises SheetError."""
    start = file.read(2)
    file.seek(0)
    utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ("utf-16",) if utf16 else ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        finally:
            file.seek(0)
        return encoding
    raise SheetError("文字编码不是 UTF-8，也不是 GB18030；请另存为 CSV UTF-8 或 .xlsx")


def _separator(headings: str) -> str:
    return max(",\t;", key=headings.count)


def _workbook(file: IO[bytes]) -> Iterator[Row]:
    from openpyxl import load_workbook  # takes longer to load than most tables to read

    try:
        with zipfile.ZipFile(file) as parts:
            sizes = {part.filename: part.file_size for part in parts.infolist()}
        held = max(size for name, size in sizes.items() if not name.startswith(STREAMED))
        within = (
            len(sizes) <= MOST_PARTS
            and sum(sizes.values()) <= UNPACKED_BYTES
            and sizes.get(SHARED, 0) <= SHARED_BYTES
            and held <= HELD_BYTES
        )
        if not within:
            raise SheetError("工作簿过大，请分成几个文件")
        file.seek(0)
        book = load_workbook(file, read_only=True, data_only=True)
    except (SheetError, MemoryError):
        raise
    except Exception as error:  # a damaged workbook fails in any of a dozen ways
        raise SheetError("工作簿损坏，打不开；请另存一遍再试") from error
    try:
        if not book.worksheets:
            raise SheetError("工作簿里没有工作表")
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what other programs write there cuts rows off
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            if number > LAST_ROW:
                raise SheetError(f"工作簿的行号超过 {LAST_ROW}，请把空行删去再试")
            cells = [_cell(value) for value in values[:MOST_COLUMNS]]
            if any(cell.strip() for cell in cells):
                yield number, cells
    except (SheetError, MemoryError):
        raise
    except Exception as error:
        raise SheetError("工作簿里有读不出的内容；请另存一遍再试") from error
    finally:
        book.close()


def _cell(value: object) -> str:
    """A cell as it was typed: a spreadsheet keeps a phone as a number and a day as a moment."""
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)
