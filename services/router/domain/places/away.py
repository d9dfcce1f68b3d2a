"""Whether the words put the matter in a place away from the caller's home, or only name it."""

import re
from enum import StrEnum
from typing import Final

from services.router.domain.places.gazetteer import Mention
from services.router.domain.places.roles import ALSO, STOP

PASSING: Final = re.compile(
    r"(?:区里|政府|人民|法院|医院|公安|城管|住建|民政|教育|管委|热线|那边说|那边也|也)?"
    r"(?:说|回复|答复|让|推|不管|不归|没|不|来的|搬|上班|上学|政府|法院|医院|公安|城管|交界"
    r"|工作|打工|户口|口音|人(?![民行家]))"
)
THERE: Final = re.compile(r"让|没|不(?![管归])")
"""What behind 在 and a district is told of it: 在和平区让人骗了."""
COMPARING: Final = re.compile(r"[从去到往跟和与像比]$")
OWNED: Final = re.compile(
    r"那?个?的?(?:物业|公司|亲戚|朋友|同学|同事|孩子|儿子|女儿|闺女|老人|[爸妈]|车|货车|司机|牌照|牌子|施工队)"
    r"|[^,。]{0,4}(?:有房|有套|住(?![宅户建院]))"
)
OWNER_IS: Final = re.compile(
    r"(?:物业|开发商|施工队|公司|师傅|司机|车|户口|媳妇|老伴|对象|邻居|租户)儿?[都也就]?是$"
)
"""What makes a district only somebody's: 河西区的亲戚, 西青区的物业公司, 物业是西青区的."""
WORKS: Final = re.compile(r"(?:公司|单位|厂子?|店)(?:就|现在)?在$")
TELLS: Final = re.compile(
    rf"(?:投诉|举报|反映|反应|[要想得]说|说的|说一?[说下]|问|咨询|关于|这[次回])[^{STOP}]{{0,10}}$"
    rf"|(?:[她他]们?|[爸妈]|父母|老人|儿子|女儿|闺女|孩子|姥姥|姥爷|爷爷|奶奶|婆婆|公公)"
    rf"家?(?:那[儿边])?(?:就|现在|是)?[住在]$"
    rf"|(?:地[点方儿]|出事|事儿?)[^{STOP}]{{0,4}}是$|(?<![现正存])[在搁](?:[^{STOP}]{{0,4}}的?)?$"
)
TOLD: Final = re.compile(
    rf"[^{STOP}]{{0,6}}?(?:[那这][边儿块头个家条]|有[个家条处]|门口)|上(?!班|学)"
)
HOME_AGAIN: Final = re.compile(
    r"(?<![里园苑村])小区|楼道|楼[上下]|(?<![0-9一二三四五六七八九十])单元|邻居|家[里门]|物业|回[来家]|停[在着]"
    rf"|(?:我们|咱们?|俺们?)(?:[这楼院怎还也都没却的]|家(?![住在是])|[{STOP}]|$)"
)


class Mark(StrEnum):
    """How much the words say that the matter is in a place away from the caller's home.

    NONE: it is somebody's, or only talked about. NAMED: it stands there. TOLD: words lead to it.
    """

    NONE = "none"
    NAMED = "named"
    TOLD = "told"


def in_passing(mention: Mention, text: str) -> bool:
    """Whether a district is only talked about: 西青区说没接手, 从河西区搬来."""
    lead = text[max(0, mention.start - 1) : mention.start]
    if COMPARING.search(lead):
        return True
    there = lead == "在" and THERE.match(text, mention.end)
    return not there and PASSING.match(text, mention.end) is not None


def mark_of(mention: Mention, text: str) -> Mark:
    """How much is said for a place away from home being where the matter is."""
    lead = text[max(0, mention.start - 16) : mention.start]
    if WORKS.search(lead):
        return Mark.NAMED
    if OWNED.match(text, mention.end) or OWNER_IS.search(lead) or ALSO.match(text, mention.end):
        return Mark.NONE
    if in_passing(mention, text):
        return Mark.NAMED if lead.endswith(("去", "到", "在")) else Mark.NONE
    told = TELLS.search(lead) or TOLD.match(text, mention.end)
    return Mark.TOLD if told else Mark.NAMED


def home_again(text: str, start: int) -> bool:
    """Whether the words come back to the caller's home, once it or another place is named."""
    return HOME_AGAIN.search(text, start) is not None
