"""What the words of a ticket say beside its matter: keep me secret, I accuse, it is over.

Nothing that is heard decides by itself. A wish for secrecy and an accusation restrict a
ticket until a person has read it (handbook sections 3 and 6): rather one ticket too many is
restricted than one informant named to whom they accuse. The words are `hearing.csv`; `/` parts
them, `…` stands for at most twelve characters of one sentence.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ahocorasick_rs import AhoCorasick

from shared.events import Heard
from shared.folding import fold

HEARING_FILE: Final = Path(__file__).with_name("hearing.csv")

_SENTENCE: Final = re.compile("[。!?;\n]+")
_CLAUSE: Final = re.compile("[,，、。!?;:~\n]")
_GAP: Final = "[^。!?;\n]{0,12}?"
_ADDRESSED: Final = re.compile(
    "(?:向|跟|找|给|到|去|由|请|让|叫|经|在|被|和|问|报了?|打了?)[^,，]{0,4}$"
)
"""Before a unit's name: who speaks turns to it, and does not accuse it."""
_OBJECT: Final = re.compile("[^,，、。:~ 请求恳向到给至找由往去]{0,8}$")
"""What may stand between “I accuse” and who is accused."""
_DEED: Final = 20
"""So far behind a unit's name, in its clause, stands what it is said to have done."""
_VICTIM: Final = re.compile("被$|遭$|把$")


@dataclass(frozen=True, slots=True)
class Said:
    """What was heard, and the unit that is accused: a slug, or `street` for that of the place."""

    heard: tuple[Heard, ...] = ()
    accused: str | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    """The table as patterns; `triggers` finds a letter or more that each of them begins with."""

    triggers: AhoCorasick
    kinds: tuple[str, ...]
    units: re.Pattern[str]
    slugs: Mapping[str, str]
    accuse: re.Pattern[str]
    offence: re.Pattern[str]
    secrecy: re.Pattern[str]
    settled: re.Pattern[str]
    still_open: re.Pattern[str]


def listen(*texts: str | None) -> Said:
    """What a ticket's words say of secrecy, of whom they accuse, and of an end. Linear."""
    words = _words()
    text = fold("\n".join(text for text in texts if text))
    begun = {words.kinds[at] for at, _, _ in words.triggers.find_matches_as_indexes(text, True)}
    accused = _accused(words, text) if "unit" in begun else None
    heard = []
    if "secrecy" in begun and words.secrecy.search(text):
        heard.append(Heard.SECRECY)
    if accused is not None:
        heard.append(Heard.ACCUSATION)
    over = "settled" in begun and words.settled.search(text)
    if over and not words.still_open.search(text):
        heard.append(Heard.SETTLED)
    return Said(tuple(heard), accused)


def _accused(words: _Words, text: str) -> str | None:
    """The unit that a sentence accuses: named right behind “I accuse”, or said to do wrong."""
    for sentence in _SENTENCE.split(text):
        for found in words.units.finditer(sentence):
            before, after = sentence[: found.start()], sentence[found.end() :]
            accusing = [match.end() for match in words.accuse.finditer(before)]
            if accusing and _OBJECT.fullmatch(before, accusing[-1]):
                return words.slugs[found[0]]
            if not _ADDRESSED.search(before) and _does_wrong(words, after):
                return words.slugs[found[0]]
    return None


def _does_wrong(words: _Words, after: str) -> bool:
    """Whether the clause goes on with a misdeed, or the next one begins with it."""
    clause, *following = _CLAUSE.split(after, maxsplit=2)
    wrong = words.offence.search(clause[:_DEED])
    if wrong:
        return not _VICTIM.search(clause[: wrong.start()])
    return bool(following and len(clause) <= _DEED and words.offence.match(following[0]))


@cache
def _words(path: Path = HEARING_FILE) -> _Words:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (row["heard"], row["words"].split("/"), row["unit"]) for row in csv.DictReader(file)
        ]
    begins = [(w.split("…")[0], heard) for heard, words, _ in rows for w in words]
    slugs = {word: unit for heard, words, unit in rows if heard == "unit" for word in words}

    def any_of(*kinds: str) -> re.Pattern[str]:
        return _pattern(word for heard, words, _ in rows if heard in kinds for word in words)

    return _Words(
        triggers=AhoCorasick([begin for begin, _ in begins]),
        kinds=tuple(heard for _, heard in begins),
        units=_pattern(slugs),
        slugs=slugs,
        accuse=any_of("accuse"),
        offence=any_of("offence", "itself"),
        secrecy=any_of("secrecy"),
        settled=any_of("settled"),
        still_open=any_of("open"),
    )


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(_GAP.join(map(re.escape, w.split("…"))) for w in longest_first))
