"""Words that say more of a ticket than its matter: many callers, again, for years, funds.

`policy/flag_words.csv` is the table. In a word, `#` stands for a number of two or more in
Arabic or Chinese digits, and `…` for at most ten characters within the clause.
"""

import re
from pathlib import Path
from typing import Final

from services.router.domain.policy import (
    COLLECTIVE,
    LONGSTANDING,
    NEEDS_FUNDS,
    REPEAT,
    FlagWord,
)
from services.router.policy.files import Row, read_table, refuse_duplicates

COLUMNS: Final = ("flag", "word", "why")

FLAGS: Final = (COLLECTIVE, REPEAT, LONGSTANDING, NEEDS_FUNDS)

_HAN_DIGITS: Final = "零〇一二两三四五六七八九十百千"
_NUMBER: Final = rf"(?<![0-9{_HAN_DIGITS}])([0-9]{{1,5}}|[{_HAN_DIGITS}]{{1,7}})"
_GAP: Final = "[^。!?,;:、]{0,10}?"
_TERMS: Final = {"#": _NUMBER, "…": _GAP}


def load_flag_words(directory: Path) -> tuple[FlagWord, ...]:
    """The table of a policy directory. Raises PolicyError."""
    rows = read_table(directory / "flag_words.csv", COLUMNS)
    refuse_duplicates(rows, "flag", "word")
    return tuple(_flag_word(row) for row in rows)


def _flag_word(row: Row) -> FlagWord:
    word = row.required("word")
    letters = frozenset(word) - _TERMS.keys()
    if not letters or word.startswith("…") or word.endswith("…") or "……" in word:
        raise row.error(f"“{word}”须有文字，“…”只能在中间")
    return FlagWord(
        flag=row.known("flag", FLAGS, "标记"),
        word=word,
        why=row.required("why"),
        letters=letters,
        pattern=re.compile("".join(_TERMS.get(char, re.escape(char)) for char in word)),
    )
