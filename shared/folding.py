"""One form for the many ways the same words are written, with the way back to what was written.

What is folded, letter by letter: traditional characters to simplified ones, full-width and
other compatibility forms (Ａ, ①, 𝟏, ⼤) to plain ones, capitals to small letters, every blank
to one space. What cannot be seen (zero-width characters, fillers such as U+3164, U+2800)
is dropped, and so is a blank beside a character that stands alone: speech recognisers write
“煤 气 泄 漏”. Rules, places, search, redaction and protection read this form; what they find
is then taken out of, or shown from, the original words.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from opencc import OpenCC

_ALSO: Final = {"著": "着", "麽": "么", "甚": "什", "妳": "你", "喫": "吃"}
"""Characters that the dictionary leaves, for they have two readings."""
_KEPT: Final = frozenset("…\n")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
"""Unicode categories: controls, formats, private, unassigned."""
KEYCAP: Final = "\u20e3"
FILLERS: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0"
    + KEYCAP
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Letters and marks that show nothing, or as the keycap only decorate a digit."""

_HAN: Final = "[\u3400-\u4dbf\u4e00-\u9fff]"
_BLANKS: Final = re.compile(" {2,}")
_BESIDE_ONE: Final = re.compile(
    rf"(?:(?<=^{_HAN})|(?<=\s{_HAN})) +(?={_HAN}|[0-9])|(?<=[0-9\u3400-\u9fff]) +(?={_HAN}(?:\s|$))"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """Words in one form; `origin` says for each letter where it stands in the original."""

    text: str
    original: str
    origin: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where letters `start` to `end` of the folded text, at least one, stand originally."""
        return self.origin[start], self.origin[end - 1] + 1

    def said(self, start: int, end: int) -> str:
        """The original words of letters `start` to `end`."""
        first, last = self.span(start, end)
        return self.original[first:last]


def fold(words: str) -> str:
    """`words` in one form. Idempotent; linear in their length."""
    text = words.translate(_LETTERS)
    if " " in text:
        text = _BESIDE_ONE.sub("", _BLANKS.sub(" ", text))
    return text


def folded(words: str) -> Folded:
    """The same with the way back to `words`."""
    letters = words.translate(_LETTERS)
    text = fold(words)
    if len(text) == len(words) and all(len(_LETTERS[ord(letter)]) == 1 for letter in set(words)):
        return Folded(text, words, range(len(words)))
    origin = [at for at, letter in enumerate(words) for _ in _LETTERS[ord(letter)]]
    if len(text) < len(letters):
        origin = _without_blanks(letters, text, origin)
    return Folded(text, words, origin)


def _without_blanks(letters: str, text: str, origin: Sequence[int]) -> list[int]:
    """The origins of those letters that stand in the text too: only blanks have gone."""
    kept, at = [], 0
    for letter, where in zip(letters, origin, strict=True):
        if at < len(text) and text[at] == letter:
            kept.append(where)
            at += 1
    return kept


def simplified(words: str) -> str:
    """`words` with traditional characters made simplified, and everything else as it is."""
    return words.translate(_HANZI)


class _Hanzi(dict[int, str]):
    """What each letter is in simplified writing, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = found = _ALSO.get(letter, _simplified(letter))
        return found


_HANZI: Final = _Hanzi()


class _Letters(dict[int, str]):
    """What each letter is folded to, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _fold_letter(chr(code))
        return found


_LETTERS: Final = _Letters()


def _fold_letter(letter: str) -> str:
    if letter in _KEPT:
        return letter
    if letter.isspace():
        return " " if letter not in "\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029" else ""
    if letter in FILLERS or unicodedata.category(letter) in _UNSEEN:
        return ""
    plain = unicodedata.normalize("NFKC", letter).lower()
    return "".join(_ALSO.get(part, _simplified(part)) for part in plain if part not in FILLERS)


def _simplified(letter: str) -> str:
    converted: str = _dictionary().convert(letter) if letter >= "\u3400" else letter
    return converted if len(converted) == 1 else letter


@cache
def _dictionary() -> OpenCC:
    return OpenCC("t2s")
