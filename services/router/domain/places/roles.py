"""What part a name plays in what the caller says: where the matter is, or something beside it.

Callers name places where nothing happened: where they live, work or came from, what they
reported before, what they compare with or take back. Only the words around a name tell.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from services.router.domain.places.gazetteer import Kind, Mention

STOP: Final = ",。.;!?…"
"""What ends a clause in a normalised text."""
FAR: Final = 60
"""So many letters on, words no longer speak of the name."""
IN_IT: Final = r"(?:小区|社区)?(?:[这那][边儿块])?"

NEAR_HOME: Final = r"[在于搁]?(?:天津市?)?(?:南开区?)?$"
LIVES: Final = re.compile(
    r"(?:住在|(?:本人家|(?<![大国商厂店东专各公人])家)(?:就|现在|目前)?[在是住搁]|(?:单位|公司)就?[在搁]|我们小区[是在叫]"
    rf"|(?:[我俺]们?|本人|现|来电人|诉求人|市民|先生|女士|^|[{STOP}])就?住){NEAR_HOME}"
)
BELONGS: Final = re.compile(rf"(?:[我俺]是|[我俺]们?家){NEAR_HOME}")
RESIDES: Final = re.compile(
    rf"{IN_IT}[0-9一二三四五六七八九十号楼栋门单元室-]*(?:的(?=[{STOP}]|$|[我想要今昨])"
    r"|的?(?:老|普通)?(?:居民|住户|业主|租户|租客|村民|人(?![民行家])))"
)
REPORTS: Final = re.compile(
    rf"{IN_IT}的?(?:居民|住户|业主|村民)[{STOP}]?我?[要想]?(?:来电)?(?:反映|投诉|举报|称)"
)
STAYS_IN: Final = re.compile(r"(?:我|我们|我家|本人)(?:现在|目前|就)?[在搁]$")
STAYS: Final = re.compile(rf"{IN_IT}[0-9号楼栋门单元]*(?:住(?![户宅建])|租房)")
CAME: Final = re.compile(r"[从打由去到在往]$")
WENT: Final = re.compile(
    r"(?:小区|社区)?(?:那边|这边)?(?:上班|工作|上学|买(?![的了])|下车|坐|出来|出发|过来|搬|走|路过|回家|回来)"
)
SINCE_LEFT: Final = re.compile(
    r"(?:以前|原来|原先|过去|早先|早年|之前|从前)(?:我们?家?|家)?(?:住过?|是|在)(?:在)?$"
    r"|(?:搬[离出]了?|老家[在是]?|原籍)(?:天津市?)?(?:南开区?)?$"
)
LIVES_NOW: Final = re.compile(
    rf"[^{STOP}]{{0,6}}[{STOP}][^{STOP}]{{0,8}}?(?:现在|如今|后来|眼下|目前|现[住居]|搬[到去来])"
    r"|[^。]{0,12}搬[到去来]"
)

BEFORE: Final = (
    r"(?:上[次回周]|上个月|上礼拜|前[天儿次回]|前[两几些阵][天日回子]*|昨[天儿晚]|之前|以前|先前|早先"
    r"|早就|已经|去年|头[天两几][天回]?|那[次回天])"
)
REPORTED: Final = re.compile(
    rf"{BEFORE}[^{STOP}]{{0,8}}?(?:报|反映|反应|投诉|举报|说|打|提|问|反馈)[过了的]*(?:[是在]|一?个)?$"
    rf"|{BEFORE}[的就]?是$"
)
WAS_REPORTED: Final = re.compile(
    rf"[^{STOP}]{{0,6}}?{BEFORE}[^{STOP}]{{0,4}}?(?:报|反映|投诉|举报|说|处理|解决|修)[过好完了]"
)
THIS_TIME: Final = re.compile(r"这[次回趟]|今[天儿年]|现在|眼下|此次|本次|这会儿")

DENIED: Final = re.compile(
    r"(?:(?<![是这那要可还])不是|(?P<unsure>[这那]不是|[不没]在)|并非)[说指住报]?[在是]?(?:那个)?$"
    r"|[听写记当说看弄搞登]成了?$|[派转分送听写记]错[到给成]?了?$|(?:别|甭|先不)[提说](?:我们?家?)?$"
)
ASKED: Final = re.compile(
    r"(?:小区|社区)?(?:[吗嘛么]|就是|还是|的?(?:人|业主|居民|住户|物业|车|问题|责任|事))"
)
"""What makes 不是 no denial: 不是迎水里吗, 不是迎水里就是…, 不是迎水里的车."""
INSTEAD: Final = re.compile(rf"[^{STOP}]{{0,4}}[{STOP}]*(?:我们|[这那])?(?:而|应该)?[是在]")
RECANTED: Final = re.compile(
    rf"{IN_IT}[{STOP}、]*(?:[哦噢啊呃哎诶嗨],?)*(?:不对|不是(?=[{STOP}])|(?<=[哦噢啊呃哎诶嗨])不|错了|口误|更正"
    rf"|我?(?:说|讲|记|打|写|报)[错岔串]|(?<=[{STOP}])(?:其实|实际))"
)
LIKENED: Final = re.compile(r"(?:(?<!老)人家|不如|比不[上了]|(?<!相)比|学学|参照|仿照)(?:那个?)?$")
LIKE: Final = re.compile(r"(?:(?<!好)[像跟和同])(?:隔壁|旁边|对面|那个?)?$")
ALIKE: Final = re.compile(
    r"(?:小区|社区)?(?:那边|那儿)?(?:那样|那么|那种|一样|似的|不一样|没法比|比)"
)
CONTRASTED: Final = re.compile(
    rf"(?:小区|社区)?(?:那边|那儿)?(?:都|全|能|有|早)[^{STOP}]{{0,8}}[{STOP}]?(?:我们|咱们?|俺们?)"
)
"""迎水里都修了，我们…"""
OURS: Final = re.compile(r"我们|咱|我家|俺|我这")
ALSO: Final = re.compile(rf"[^{STOP}]{{0,6}}也")

NEXT_TO: Final = re.compile(r"(?:挨[着靠]?|[靠邻临贴守对把]着|靠近|临近|毗邻|紧[邻靠])(?:那个?)?$")
BESIDE: Final = re.compile(
    r"(?:小区|社区)?(?:(?:商业|购物)?(?:广场|中心)|商业街|写字楼|商务楼|公交站|地铁站?|小学|中学|幼儿园|菜市场)?"
    r"(?:的)?(?:[东南西北正]{1,2}门)?(?:那?个?)?(?:的)?"
    r"(?:斜?正?对[面过]|对个儿|马路对[面过]|旁边|边上|隔壁|附近|后身|后面|背后|对着)"
    r"|(?:商业|购物)广场|商业街|写字楼|商务楼|酒店|宾馆|公交站|地铁"
)
"""What says that a spot lies beside a community, or in what is only called after it."""
BY_IT: Final = re.compile(r"儿?的?(?:那个?|那片|我们|咱们)?")
LIES_BY: Final = re.compile(
    rf"[{STOP}]?[就紧都]*(?:(?:挨[着靠]?|[靠邻临贴守对]着|靠近|临近|毗邻|紧[邻靠])|(?P<at>在))(?:那个)?"
)
OF_IT: Final = re.compile(rf"[^{STOP}]{{0,4}}?的(?:那个|那片|我们|咱们)?")

ROUTE_FROM: Final = re.compile(r"[从打由自]$")
ROUTE_ON: Final = re.compile(rf"[^{STOP}搬]{{0,8}}?(?:到|至|奔|往|去|回)了?")
HAPPENED: Final = re.compile(
    rf"(?:小区|社区)?(?:[东南西北正]?门口?|附近|跟前|那儿|那边|边上|旁边)?(?:的?时候?)?[{STOP}]?"
    r"(?:就|给)?(?:摔|撞|掉|被|碰|遇|发现|看见|瞧见|绊|轧|崴|栽|剐|刮|车?坏)"
)


LEADS: Final = frozenset(
    "离出籍从打由自去到在往是住搁于叫津市开区家个那过了的报映应诉说提问馈指非成错给如比上学照像跟和同壁边面着靠近邻挨"
)
"""The letters that the words before a name which tell its part end with."""


class Role(StrEnum):
    """MATTER: the matter may be there. HOME: the caller lives or works there.

    ASIDE: named beside the matter. Both count where nothing else is named. DENIED: named only
    to say that it is not the place, or what another place is like.
    """

    MATTER = "matter"
    HOME = "home"
    ASIDE = "aside"
    DENIED = "denied"


def roles(mentions: Sequence[Mention], text: str) -> list[Role]:
    """The part that each of the names in a normalised text plays, in their order."""
    found: list[Role] = []
    before: Mention | None = None
    on_route = False
    for mention, following in zip(mentions, (*mentions[1:], None), strict=True):
        lead = _lead(text, mention.start)
        arrives, on_route = on_route, _sets_out(mention, following, lead, text)
        if _denied(mention, following, lead, text):
            found.append(Role.DENIED)
        elif _lived_in(mention, lead, text) or (
            before is not None and found[-1] is Role.HOME and before.end == mention.start
        ):
            found.append(Role.HOME)
        elif (
            on_route
            or (arrives and HAPPENED.match(text, mention.end) is None)
            or _said_beside(mention, following, lead, text)
            or (before is not None and _beside_that(mention, before, text))
        ):
            found.append(Role.ASIDE)
        else:
            found.append(Role.MATTER)
        before = mention
    if Role.HOME in found and any(ALSO.match(text, each.end) for each in mentions[1:]):
        return [Role.MATTER if role is Role.HOME else role for role in found]
    return found


def _lead(text: str, start: int) -> str:
    """The words before a name, without 我们; nothing where they cannot tell its part."""
    end = start - 2 if text.startswith(("我们", "咱们", "俺们"), max(0, start - 2)) else start
    return text[max(0, end - 20) : end] if text[max(0, end - 1) : end] in LEADS else ""


def _sets_out(mention: Mention, following: Mention | None, lead: str, text: str) -> bool:
    return (
        following is not None
        and ROUTE_FROM.search(lead) is not None
        and ROUTE_ON.fullmatch(text, mention.end, following.start) is not None
    )


def _denied(mention: Mention, following: Mention | None, lead: str, text: str) -> bool:
    denied = DENIED.search(lead)
    if denied is not None and not ASKED.match(text, mention.end):
        return denied["unsure"] is None or INSTEAD.match(text, mention.end) is not None
    if following is not None:
        recanted = RECANTED.match(text, mention.end, following.start)
        if recanted is not None and following.start - recanted.end() <= 8:
            return True
    if following is not None and CONTRASTED.fullmatch(text, mention.end, following.start):
        return ALSO.match(text, following.end) is None
    if _likened(mention, lead, text):
        return OURS.search(text, mention.end, mention.end + FAR) is not None
    return SINCE_LEFT.search(lead) is not None and LIVES_NOW.match(text, mention.end) is not None


def _likened(mention: Mention, lead: str, text: str) -> bool:
    """像人家迎水里那样"""
    return LIKENED.search(lead) is not None or (
        LIKE.search(lead) is not None and ALIKE.match(text, mention.end) is not None
    )


def _lived_in(mention: Mention, lead: str, text: str) -> bool:
    if LIVES.search(lead):
        return True
    if BELONGS.search(lead) and RESIDES.match(text, mention.end):
        return True
    return REPORTS.match(text, mention.end) is not None or (
        STAYS_IN.search(lead) is not None and STAYS.match(text, mention.end) is not None
    )


def _said_beside(mention: Mention, following: Mention | None, lead: str, text: str) -> bool:
    return (
        (CAME.search(lead) is not None and WENT.match(text, mention.end) is not None)
        or _likened(mention, lead, text)
        or _reported_before(mention, lead, text)
        or (following is not None and _only_beside(mention, following, lead, text))
    )


def _reported_before(mention: Mention, lead: str, text: str) -> bool:
    """前天报过迎水里，这回是…"""
    return THIS_TIME.search(text, mention.end, mention.end + FAR) is not None and (
        REPORTED.search(lead) is not None or WAS_REPORTED.match(text, mention.end) is not None
    )


def _only_beside(mention: Mention, following: Mention, lead: str, text: str) -> bool:
    """挨着迎水里的…, and 迎水里对面的… where that lies in another street."""
    if NEXT_TO.search(lead):
        return OF_IT.fullmatch(text, mention.end, following.start) is not None
    beside = BESIDE.match(text, mention.end, following.start)
    return (
        beside is not None
        and BY_IT.fullmatch(text, beside.end(), following.start) is not None
        and _apart(mention, following)
    )


def _beside_that(mention: Mention, before: Mention, text: str) -> bool:
    """…挨着迎水里, …就在迎水里旁边 behind a place in another street."""
    by = LIES_BY.fullmatch(text, before.end, mention.start)
    return (
        by is not None
        and (by["at"] is None or BESIDE.match(text, mention.end) is not None)
        and before.kind is not Kind.ROAD
        and _apart(mention, before)
    )


def _apart(one: Mention, other: Mention) -> bool:
    return {entry.street for entry in one.entries}.isdisjoint(
        entry.street for entry in other.entries
    )
