"""One spelling for what citizens say and type, before rules and model look at it.

Two forms. `clean` keeps what a rule needs: clauses, digits, every word. `normalise` goes
on to what the model needs: digits become one symbol and the courtesies of a letter go.
Both are idempotent, look at most at the first `MAX_CHARACTERS` of a text, and take time
proportional to it: the tables below are fixed words, no pattern of theirs can backtrack.
"""

import re
import unicodedata
from typing import Final

from shared.folding import fold as one_form

MAX_CHARACTERS: Final = 8000
"""Twice the longest ticket intake accepts; what comes after cannot change a decision."""

DIALECT: Final[tuple[tuple[str, str], ...]] = (
    ("楼到", "楼道"),
    ("过到", "过道"),
    ("下水到", "下水道"),
    ("通到", "通道"),
    ("电平车", "电动车"),
    ("电瓶车", "电动车"),
    ("电动自行车", "电动车"),
    ("电驴子", "电动车"),
    ("王顶提", "王顶堤"),
    ("王丁提", "王顶堤"),
    ("王丁堤", "王顶堤"),
    ("营水道", "迎水道"),
    ("营水里", "迎水里"),
    ("煤气位", "煤气味"),
    ("干嘛", "干什么"),
    ("为嘛", "为什么"),
    ("有嘛", "有什么"),
    ("嘛事", "什么事"),
    ("嘛时候", "什么时候"),
    ("嘛玩意", "什么东西"),
    ("嘛都", "什么都"),
    ("嘛也", "什么也"),
    ("嘛叫", "什么叫"),
)
"""Tianjin speech and what speech-to-text makes of it (handbook section 7), as heard → meant."""

IN_CONTEXT: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = (
    ("介", re.compile("介(?![绍入意于质词面怀])(?<![中简推引媒评]介)"), "这"),
    ("搁", re.compile("搁(?![置浅])(?<!耽搁)"), "在"),
    ("儿", re.compile("(?<=[今昨明])儿+个?"), "天"),
    ("儿", re.compile("(?<=[边事味块间楼点])儿+(?![女子媳童歌科园])"), ""),
)
"""Syllables that are dialect here and parts of ordinary words there (介绍, 耽搁, 幼儿)."""

BOILERPLATE: Final[tuple[str, ...]] = (
    "尊敬的各位领导",
    "尊敬的领导",
    "尊敬的",
    "各位领导",
    "领导您好",
    "领导你好",
    "领导好",
    "你们好",
    "您好",
    "你好",
    "望回复",
    "盼回复",
    "请回复",
    "敬请回复",
    "请领导",
    "百忙之中",
    "此致",
    "敬礼",
    "辛苦了",
    "谢谢您",
    "谢谢",
    "感谢您",
    "非常感谢",
    "[电话]",
    "[姓名]",
    "[手机]",
    "[邮箱]",
    "[身份证]",
    "[查看全文]",
)
"""Courtesies and redaction marks that say nothing about the matter."""

_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\ufff0-\ufffd]+"
)
_SPACES = re.compile(r"\s+")
_REPEATS = re.compile(r"(.)\1\1+")
_COMMAS = re.compile(",[ ,]*")
_DIGITS = re.compile(r"\d+")
_BOILERPLATE = re.compile("|".join(map(re.escape, sorted(BOILERPLATE, key=len, reverse=True))))


def clean(text: str) -> str:
    """The text as rules read it: in one form (`shared.folding`), dialect resolved, noise dropped.

    Three or more of one character become two, control characters and any run of white
    space one space.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower()
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    text = one_form(text)[:MAX_CHARACTERS]
    text = _REPEATS.sub(r"\1\1", _SPACES.sub(" ", _INVISIBLE.sub(" ", text)))
    text = _in_standard_words(text)
    for letter, pattern, meant in IN_CONTEXT:
        if letter in text:
            text = pattern.sub(meant, text)
    text = _in_standard_words(text)
    return _REPEATS.sub(r"\1\1", text).strip()


def _in_standard_words(text: str) -> str:
    for heard, meant in DIALECT:
        text = text.replace(heard, meant)
    return text


def fold(cleaned: str) -> str:
    """What `clean` returned, for the model: digits as one `0`, without courtesies."""
    text = _BOILERPLATE.sub(",", _DIGITS.sub("0", cleaned))
    return _COMMAS.sub(",", text).strip(" ,")


def normalise(text: str) -> str:
    """The text as the model reads it."""
    return fold(clean(text))
