"""Words that say more of a ticket than its matter: many callers, again, for years, funds.

`policy/flag_words.csv` is the table. In a word, `#` stands for a number of two or more in
Arabic or Chinese digits, and `…` for at most ten characters within the clause.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.router.places.numbers import chinese_number
from services.router.policy.files import Row, read_table, refuse_duplicates

COLUMNS: Final = ("flag", "word", "why")

COLLECTIVE: Final = "collective"
"""集体: several households speak, or mean to come together."""
REPEAT: Final = "repeat"
"""重复: the caller has reported it before."""
LONGSTANDING: Final = "longstanding"
"""长期: it has gone on for months or years."""
NEEDS_FUNDS: Final = "needs_funds"
"""要钱要政策: it cannot be solved without money or a decision."""
FLAGS: Final = (COLLECTIVE, REPEAT, LONGSTANDING, NEEDS_FUNDS)

_HAN_DIGITS: Final = "零〇一二两三四五六七八九十百千"
_NUMBER: Final = rf"(?<![0-9{_HAN_DIGITS}])([0-9]{{1,5}}|[{_HAN_DIGITS}]{{1,7}})"
_GAP: Final = "[^。!?,;:、]{0,10}?"
_TERMS: Final = {"#": _NUMBER, "…": _GAP}


@dataclass(frozen=True, slots=True)
class FlagWord:
    """A word of the table. `letters` are those that every text with this word holds."""

    flag: str
    word: str
    why: str
    letters: frozenset[str]
    pattern: re.Pattern[str]

    def said_in(self, text: str) -> str | None:
        """What of a normalised text is this word, None where it is not said."""
        for match in self.pattern.finditer(text):
            if all(_several(number) for number in match.groups()):
                return match[0]
        return None


def load_flag_words(directory: Path) -> tuple[FlagWord, ...]:
    """The table of a policy directory. Raises PolicyError."""
    rows = read_table(directory / "flag_words.csv", COLUMNS)
    refuse_duplicates(rows, "flag", "word")
    return tuple(_flag_word(row) for row in rows)


def flags_said(words: Iterable[FlagWord], text: str) -> Iterator[tuple[str, str]]:
    """Each flag that a normalised text earns, once, with the reason: the words that earn it."""
    found: set[str] = set()
    letters = frozenset(text)
    for word in words:
        if (
            word.letters <= letters  # rules out almost all, at a fraction of a search's cost
            and word.flag not in found
            and (said := word.said_in(text))
        ):
            found.add(word.flag)
            yield word.flag, f"“{said}”：{word.why}"


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


def _several(number: str) -> bool:
    return (int(number) if number.isascii() else chinese_number(number)) > 1
