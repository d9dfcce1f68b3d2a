"""How people say the name of a place: the forms of a register name, and what must follow each.

A register writes “保山南里社区居委会”; callers say 保山南里, 保山南小区, 保山南, and the
speech recogniser writes 保山南礼. Forms that are ordinary words as well are accepted only
where the words around them show that a place is meant (handbook section 7).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.folding import fold


class Need(StrEnum):
    """What the words around a form must show before it counts as a place.

    OFFICIAL: a word can begin here and 社区 or 居委会 follows. NAMED: that, or
    小区 or a building number follows, or a district, a street or 住在 stands directly before,
    or nothing else was said. SPOT: that, or the words behind it make a place of it (门口, 对面,
    西门, 那儿) where a word can begin. TOWN: what AREA needs, and no estate's name follows.
    AREA: no road or station of that name follows, and a word can begin here if the form is
    short. FREE: nothing. Listed strictest first.
    """

    OFFICIAL = "official"
    NAMED = "named"
    SPOT = "spot"
    TOWN = "town"
    AREA = "area"
    FREE = "free"


class Alone(StrEnum):
    """What of a name may stand alone: nothing, the name, or also its stem without 里."""

    NO = "no"
    NAME = "name"
    STEM = "stem"


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say a name."""

    text: str
    need: Need


OFFICIAL_ENDINGS: Final = (
    "社区居民委员会",
    "社区居委会",
    "居民委员会",
    "居委会",
    "社区",
)
ESTATE_ENDINGS: Final = ("花园", "家园", "公寓", "新苑", "里", "园", "苑")
RESIDENTIAL_ENDINGS: Final = (*ESTATE_ENDINGS, "公馆", "新村", "小区", "大厦")
OFFICE_ENDINGS: Final = ("街道", "街", "办事处")
STATION_SAID: Final = (
    *("{}站", "地铁{}", "{}地铁", "{}地铁站", "{}地铁口", "{}地铁站口"),
    *("{}的地铁口", "{}那地铁口", "{}那个地铁口", "{}那边地铁口"),
)
SHORTEST_NAME: Final = 2
SOUND_NAME: Final = "须有两个字以上，含汉字，用半角字符，不含空格和符号"
"""What a name of the register must be, as people are told (see `sound_name`)."""
NAME: Final = re.compile(r"(?=.*[一-鿿])\w[\w()·-]*")
DIGITS: Final = str.maketrans("一二三四五六七八九", "123456789")

OFFICIAL_SUFFIX: Final = re.compile("|".join(OFFICIAL_ENDINGS))
NAMED_SUFFIX: Final = re.compile("|".join((*OFFICIAL_ENDINGS, "小区")))
BUILDING: Final = re.compile(r"[0-9一二三四五六七八九十百]{1,4}(?:号楼|号院|号门|栋|幢|门|区|楼)")
SPOT_FOLLOWS: Final = re.compile(
    r"[老新]?(?:[东西南北正大小侧后前旁]{0,2}门|[东西南北]?(?:校区|院区)|斜?对[面过个]|马路对|旁边|边上|隔壁"
    r"|附近|周边|后身|[后前背里外]面|那儿|那块|那[边头]|这[儿块边头]|门[口前诊]|宿舍|家属[院区]|食堂|大院"
    r"|公交站|地铁|路口|天桥|广场|超市|底商)"
)
"""What follows a short name where a spot is meant: 奥体后身, 天大东门, 二院附近."""
ROAD_FOLLOWS: Final = re.compile(
    r"[东西南北中]?[一二三四五六七八九十]?"
    r"(?:路|道|街(?!坊)|大街|桥|立交|站|地铁|公交|市|区|县|省|医院|中学|小学|大学|江|河)"
)

ESTATE_FOLLOWS: Final = re.compile(
    r"[一-鿿]{0,2}?(?:家园|花园|公寓|小区|新城|新村|大厦|三角洲)|[一-鿿]?(?:里(?![面边头])|园|苑|湾|湖)"
)
"""What makes a district's bare name part of an estate's: 北辰家园."""


def normalised(text: str) -> str:
    """The words in the one form all read, without white space; linear in their length."""
    return "".join(fold(text).split())


def sound_name(name: str) -> bool:
    """Whether the register can take a name: long enough, with Han, plain and without blanks.

    What begins with a sign may be a formula to the spreadsheet that opens the register.
    """
    plain = "".join(unicodedata.normalize("NFKC", name).split())
    return len(name) >= SHORTEST_NAME and plain == name and NAME.fullmatch(name) is not None


def short_name(name: str) -> str:
    """The name without 社区居委会 and its like: “金环里社区社区居委会” is 金环里."""
    shortened = name
    for ending in OFFICIAL_ENDINGS:
        shortened = shortened.removesuffix(ending)
    return shortened or name


def estate_forms(name: str, alone: Alone) -> Iterator[Form]:
    """The forms of a community or 小区: its name, and its stem where a suffix follows."""
    short = short_name(name)
    yield Form(short, Need.NAMED if alone is Alone.NO else Need.FREE)
    stem = next((short.removesuffix(end) for end in ESTATE_ENDINGS if short.endswith(end)), short)
    if stem != short and len(stem) > 1:
        yield Form(stem, Need.AREA if alone is Alone.STEM else Need.NAMED)


def stem_forms(stem: str, alone: Alone) -> Iterator[Form]:
    """The forms of a bare stem that several names share: 林苑, and 林苑里."""
    need = Need.NAMED if alone is Alone.NO else Need.AREA
    yield Form(stem, need)
    yield Form(f"{stem}里", need)


def office_forms(name: str) -> Iterator[Form]:
    """The forms of one of our street offices: 万兴街道, 万兴街, 万兴办事处."""
    for ending in OFFICE_ENDINGS:
        yield Form(name.removesuffix("街道") + ending, Need.FREE)


def plain_form(name: str) -> Form:
    """The one form of a landmark: the shortest are words as well, and need words about a spot."""
    return Form(name, Need.SPOT if len(name) == SHORTEST_NAME else Need.FREE)


def station_forms(name: str) -> Iterator[Form]:
    """The forms of a metro station: 西康路站, 地铁西康路, 西康路地铁站, 西康路地铁口."""
    for said in STATION_SAID:
        yield Form(said.format(name.removesuffix("站")), Need.FREE)


def district_form(said: str) -> Form:
    """The form of another district: 武清 alone also begins names of roads and estates."""
    return Form(said, Need.FREE if said.endswith(("区", "县")) else Need.TOWN)


def outside_office_forms(name: str) -> Iterator[Form]:
    """The forms of a street or town elsewhere: 向阳楼街道, and 向阳楼街 where the stem is long.

    A two-character stem before 街 is as well some road: 广源街.
    """
    yield Form(name, Need.FREE)
    stem = name.removesuffix("街道")
    if stem != name and len(stem) > 2:
        yield Form(f"{stem}街", Need.FREE)


def outside_forms(name: str) -> Iterator[Form]:
    """The form of a community elsewhere: the shorter or odder, the more must follow it.

    文化里 and 植物园 are words as well, 幸福家园 and 金友花园 are not.
    """
    if len(name) < 3 or not name.endswith(RESIDENTIAL_ENDINGS):
        yield Form(name, Need.OFFICIAL)
    else:
        yield Form(name, Need.FREE if len(name) > 3 else Need.NAMED)


def heard_forms(form: Form, lookalikes: Mapping[str, str]) -> Iterator[Form]:
    """The form, its spelling in Arabic digits, and what a speech recogniser makes of it.

    All as texts are read (see `normalised`). `lookalikes` maps what is written to what was
    meant: 王顶提 to 王顶堤.
    """
    text = normalised(form.text)
    yield Form(text, form.need)
    arabic = text.translate(DIGITS)
    if arabic != text:
        yield Form(arabic, form.need)
    for heard, meant in lookalikes.items():
        if meant in text:
            yield Form(text.replace(meant, heard), form.need)
