"""What a unit gets of a ticket whose caller wants to stay unknown (举报人保护, handbook section 3).

Of no caller does a unit learn what else they have called about. Of a protected one it gets
nothing that points at them: who they say they are, where they say they live, and every
door and room number, for whose it is the words do not prove. Compound, building and street
stay, so that the unit can still act. Everywhere the reading is strict: to lose a few words
is better than to lose the caller.
"""

import re
from collections.abc import Collection
from datetime import UTC
from functools import lru_cache
from typing import Any, Final

from shared.calendar import SHANGHAI
from shared.events import Case, CaseState, Location, Priority, Ticket, Whistle
from shared.folding import simplified

HOME: Final = "【住址】"
DOOR: Final = "【门牌】"
SELF: Final = "【身份】"
NAME: Final = "【姓名】"
DECIMALS: Final = 2
"""Of coordinates: about a kilometre."""

EARLIER_TICKETS: Final = "同一来电人近期另有"
USUAL_STREET: Final = "来电人以往诉求多在"
"""How the reasons of a case begin that speak of the caller's other tickets."""

_DIGIT: Final = "0-9０-９零〇一二两三四五六七八九十百幺"
_N: Final = rf"[{_DIGIT}]{{1,5}}"
_CLAUSE: Final = r"[^。，,;；!！?？\n]"
_COUNTED: Final = "(?![元块米平㎡人户家年月天日次个多余几件点吨斤:：.．%％])"
"""Behind digits that are an amount or a time, not a room."""
_BUILDING: Final = "(?:号楼|号院|号门|号|栋|幢|座|弄)"
_ROOM: Final = rf"(?<![{_DIGIT}])[0-9０-９零〇一二三四五六七八九幺]{{3,4}}(?![{_DIGIT}]){_COUNTED}"
_NOT_LIVE: Final = frozenset(
    {
        *(CaseState.MANUAL_DISPATCH, CaseState.AWAITING_INFO, CaseState.REDIRECTED_OUT),
        *(CaseState.REPLIED, CaseState.CALLBACK_PENDING, CaseState.CLOSED),
    }
)
"""States in which nobody is on the way to an emergency: none is decided yet, or it is over."""
_WRITTEN_BY_STAFF: Final = ("site", "evidence", "done_so_far", "action", "basis")

_FORMAL: Final = str.maketrans("壹贰叁肆伍陆柒捌玖拾", "一二三四五六七八九十")
_HAN_OF: Final = ("零〇", "一幺", "二两", "三", "四", "五", "六", "七", "八", "九")
_ARABIC: Final = str.maketrans("零〇一幺二两三四五六七八九", "0011223456789")
_PARTS: Final = "号楼栋幢座弄元门层室户房单院"
_BLANKS: Final = re.compile(
    rf"(?<=[{_DIGIT}]) +(?=[{_PARTS}])|(?<=[{_PARTS}]) +(?=[{_DIGIT}{_PARTS}])"
    rf"|(?<=[{_DIGIT}]) +(?=[{_DIGIT}](?![{_DIGIT}]))"
)
_ROOM_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{3,4}(?![0-9路道])")
_SLASHED: Final = re.compile(
    rf"(?P<said>(?:住|家|我)(?:在|是|就在|里)?){_N}(?:[/、.]{_N}){{1,3}}(?![{_DIGIT}元块点号路])"
)
"""我住3/5/201."""
_NUMBERED_DOOR: Final = re.compile(
    rf"(?P<said>(?:门牌|房间?|房号|户号|住址|单元)号?[是为:： ]{{0,2}}){_ROOM}"
)
_HOTLINES: Final = "(?!1(?:10|19|20|22)(?![0-9]))"
_DOORS: Final = re.compile(
    rf"(?<![{_DIGIT}])(?:"
    # 2门501, 三单元六楼东户
    rf"{_N}(?:单元|门(?![诊课类技手学亲心功]))(?:{_N}[楼层])?(?:{_ROOM})?[室户号房]?(?:[东西中左右]户)?"
    # 501室, 五零一号房
    rf"|{_N}(?:号房|房(?![间屋子])|室(?![内外温一二两三四五六七八九友])(?!{_N}厅))"
    # 3-2-501, 3-501: the building's number stays
    rf"|(?<=[{_DIGIT}][-－–—])(?:{_N}[-－–—])?[0-9０-９]{{3,4}}(?![-－–—{_DIGIT}]){_COUNTED}室?"
    rf")|[东西中左右]户(?![外型籍])"
    # 3号楼501, 5栋顶楼3102的业主
    rf"|(?<=[楼栋幢座层])的?{_ROOM}"
    # 我家601, 隔壁602, 住六零一, 602的邻居
    rf"|(?:(?<=[家住])|(?<=隔壁|对门|楼上|楼下|楼里|我在|我是)"
    rf"|(?<=我就在|我也在|我正在|我就住|我就是))(?:是|的|在)?{_HOTLINES}{_ROOM}"
    rf"|{_HOTLINES}{_ROOM}(?=的?(?:邻居|业主|住户|租户|房东|那家|那户|这家|这户))"
)
_ADDRESS: Final = re.compile(
    rf"(?:(?<![{_DIGIT}]){_N}(?:{_BUILDING}楼?|[楼层门室户房]|单元)"
    rf"|(?:(?:他|她|它|他们|她们|对方)家?的?)?(?:楼[上下]|隔壁|对[门面])(?:那?[栋户家])?"
    rf"|[顶底]楼|[东西中左右]户|{DOOR}|(?<=[号楼栋幢座弄元门层】\-－–—]){_N}(?![{_DIGIT}])"
    rf"|(?<![{_DIGIT}])[0-9０-９]{{1,4}}(?=[-－–—]))(?:[-－–—的、 ](?=[{_DIGIT}{DOOR[0]}]))?"
)
"""Parts of a home's address: all of them, building and floor too."""

_LABELS: Final = re.compile(f"(?:{HOME})+")

_ONE: Final = "(?:我家|我|俺家|俺|咱家|本人)"
_WE: Final = f"(?:我们家|我们|俺们|咱们|咱|{_ONE})"
_KIN: Final = (
    "(?:孩子|儿子|女儿|闺女|姑娘|父亲|母亲|父母|爸妈|爸|妈|老公|老婆|媳妇|爱人|老伴|丈夫|妻子"
    "|孙子|孙女|爷爷|奶奶|姥姥|姥爷|外婆|公公|婆婆|岳父|岳母)"
)
_LIVES: Final = re.compile(
    rf"(?P<said>(?:{_WE}(?:{_KIN})?(?:就|现在?|目前|一直|也|都|是)?(?:家?住|家在|家是)"
    rf"|(?<!大)家住|现住|住址|家庭地址|{NAME}[、 ]?家?住)(?:址|在|于|的?是|为|[:： ])*)"
    rf"(?P<where>{_CLAUSE}+)"
)
_WORKS: Final = re.compile(
    rf"(?P<said>{_WE}(?:的|家)?(?:{_KIN})?(?:就|现在?|目前|一直|以前|曾经?|原来|之前|也|都)?在)"
    rf"(?P<where>(?:(?![【】]){_CLAUSE}){{1,30}}?)"
    rf"(?P<does>里?(?:上班|工作|打工|干活|任职|就职|上学|读书|念书|当{_CLAUSE}{{1,6}}))"
)
_IS: Final = re.compile(
    rf"(?P<said>(?:(?P<one>{_ONE}(?!们))|{_WE})(?:的|家)?(?:{_KIN})?(?:也|就|其实)?是)"
    rf"(?P<who>{_CLAUSE}+)"
)
_SURNAME: Final = "(?:欧阳|司马|上官|诸葛|司徒|慕容|令狐|皇甫|[一-鿿])"
_CALLED: Final = re.compile(
    rf"(?P<said>(?:我|本人)姓名?[是为:： ]{{0,2}}|(?:我名?|本人|名字)叫"
    rf"|我家?(?:的|家)?{_KIN}(?:名?叫|的?名字[是叫])|联系人(?={_SURNAME}(?:女士|先生))"
    rf"|(?:我的名字|举报人|反映人|联系人|署名|落款)[是为:： ]{{1,2}})"
    r"(?![是为他她它你们了过来人物保不个车警救的送外么信息什])"
    rf"{_SURNAME}(?:(?![住家在是的来今想要也])[一-鿿]){{0,2}}"
)
_RESIDENT: Final = re.compile("业主(?!委)|居民|住户|租户|租客|房东|村民(?!小组)|邻居|街坊")
_ROLES: Final = (
    "员工|职工|工人|老师|教师|家长|学生|护士|医生|大夫|护工|保安|保洁|店长|司机|会计|厨师|销售|骑手"
    "|经理|主任|科长|处长|校长|园长|院长|书记|干部|同事|员(?!会)|师傅|师|者|家属|亲属|儿子|女儿"
    "|父亲|母亲|爸|妈|丈夫|妻子|老公|老婆|爱人|老伴|上班|工作|打工|任职|离职|辞退|退休|当事人|受害人"
)
_ROLE: Final = re.compile(f"(?:{_ROLES})(?:的?(?:{_ROLES}|人))*")
_STATEMENT: Final = re.compile(
    "[想说问觉要怕希建咨不真谁支为因第求盼没]|反映|投诉|举报|来(?!自)|实在|亲眼|什么|怎么|这么|这样"
)
"""How a clause begins that says what the matter is, not who speaks."""
_NARRATION: Final = re.compile("[看听打从昨今明刚被有在按通去带替帮一]|前天")
_LONGEST_IDENTITY: Final = 12
"""More words than this behind 我是 without a role say what happened, not who speaks."""
_SHORT_IDENTITY: Final = 8
"""So few words that end with 的 say who speaks however they begin: 我是看大门的."""


def for_unit(ticket: Ticket, priority: Priority, state: CaseState | None = None) -> Ticket:
    """The ticket as a unit sees it; the same object where nothing has to be taken out.

    `priority` and `state` are its case's. Who is in a live emergency (P0) has to be found
    first: it loses nothing but the history.
    """
    if ticket.earlier or ticket.usual_street or ticket.refers_to:
        others = {"earlier": (), "refers_to": (), "usual_street": None}
        ticket = ticket.model_copy(update=others)
    if not is_protected(ticket, priority, state):
        return ticket
    occurred = ticket.occurred_at
    if occurred is not None:
        day = occurred.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        occurred = day.astimezone(UTC)
    point, rooms = ticket.location, rooms_of(ticket.address)
    return ticket.model_copy(
        update={
            "text": masked(ticket.text, rooms),
            "title": ticket.title and masked(ticket.title, rooms),
            "address": ticket.address and masked(ticket.address, rooms),
            "occurred_at": occurred,
            "location": point
            and Location(lat=round(point.lat, DECIMALS), lon=round(point.lon, DECIMALS)),
        }
    )


def case_for_unit(case: Case, ticket: Ticket) -> Case:
    """The ticket's case as a unit sees it: demands, alarms and reasons quote the caller.

    The same object where nothing has to be taken out.
    """
    reasons = tuple(
        reason for reason in case.reasons if not reason.startswith((EARLIER_TICKETS, USUAL_STREET))
    )
    if reasons != case.reasons:
        case = case.model_copy(update={"reasons": reasons})
    if not is_protected(ticket, case.priority, case.state):
        return case
    rooms = rooms_of(ticket.address)
    quoted = {
        "demands": tuple(
            demand.model_copy(update={"text": masked(demand.text, rooms)})
            for demand in case.demands
        ),
        "alarms": tuple(
            alarm.model_copy(update={"clause": masked(alarm.clause, rooms)})
            for alarm in case.alarms
        ),
        "reasons": tuple(masked(reason, rooms) for reason in case.reasons),
    }
    changes = {name: read for name, read in quoted.items() if read != getattr(case, name)}
    return case.model_copy(update=changes) if changes else case


def for_accused(ticket: Ticket) -> Ticket:
    """The ticket without a word of it, for the unit that it accuses and that has had it before."""
    silent: dict[str, Any] = dict.fromkeys(("title", "address", "location", "occurred_at"))
    return for_unit(ticket, Priority.P3).model_copy(
        update={**silent, "text": "", "accused_unit": None}
    )


def case_for_accused(case: Case) -> Case:
    """Its case as that unit sees it: where it stands, and nothing that was said."""
    silent: dict[str, Any] = {"demands": (), "alarms": (), "reasons": (), "accused_unit": None}
    place = case.place.model_copy(update={"reasons": (), "candidates": (), "evidence": ()})
    return case.model_copy(update={**silent, "place": place})


def whistle_for_accused(whistle: Whistle) -> Whistle:
    """Its whistle, without what staff wrote on it."""
    silent: dict[str, Any] = dict.fromkeys((*_WRITTEN_BY_STAFF, "contact", "withdrawal"), "")
    return whistle.model_copy(update={**silent, "dangers": ()})


def note_for_unit(
    note: str, ticket: Ticket, priority: Priority, state: CaseState | None = None
) -> str:
    """A remark on a ticket that no unit has written, as a unit sees it: it may quote the caller."""
    if not is_protected(ticket, priority, state):
        return note
    return masked(note, rooms_of(ticket.address))


def whistle_for_unit(
    whistle: Whistle, ticket: Ticket, priority: Priority, state: CaseState | None = None
) -> Whistle:
    """A whistle as a called unit sees it: who blew it may have quoted the caller.

    The spot stays, for they have to go there; the caller's own room and name do not.
    """
    if not is_protected(ticket, priority, state):
        return whistle
    rooms = rooms_of(ticket.address)
    written = {name: getattr(whistle, name) for name in _WRITTEN_BY_STAFF}
    read = {name: masked(words, rooms, doors=False) for name, words in written.items()}
    return whistle if read == written else whistle.model_copy(update=read)


def is_protected(ticket: Ticket, priority: Priority, state: CaseState | None = None) -> bool:
    """Whether a unit may not learn who speaks; in a live emergency (P0) it has to.

    Nobody goes to one that is only guessed yet, and one that has been answered is over.
    """
    return protects(ticket.confidential, priority, state)


def protects(confidential: bool, priority: Priority, state: CaseState | None) -> bool:
    """As `is_protected`, of what a case says itself."""
    return confidential and (priority is not Priority.P0 or state in _NOT_LIVE)


def masked(words: str, rooms: Collection[str] = (), *, doors: bool = True) -> str:
    """Words without what points at who says them. Idempotent; linear in their length.

    They are read in one form, whatever script, numerals and blanks they were written with;
    where nothing has to be taken out they stay as they are. `rooms` are known to be the
    caller's own, and go wherever they stand; other `doors` may be left. A label may bring
    together what stood apart, so the words are read until nothing changes: once more for
    ordinary ones.
    """
    plain = _plain(words)
    while (read := _read(plain, rooms, doors=doors)) != plain:
        plain = read
    return plain if any(label in plain for label in (HOME, DOOR, SELF, NAME)) else words


def rooms_of(address: str | None) -> frozenset[str]:
    """The rooms that an address names: 202 of 3号楼5门202, 三号楼五门二零二 and 3/5/202."""
    plain = _plain(address or "").translate(_ARABIC)
    return frozenset(_ROOM_NUMBER.findall(plain))


def _plain(words: str) -> str:
    return _BLANKS.sub("", simplified(words).translate(_FORMAL))


def _read(words: str, rooms: Collection[str], *, doors: bool) -> str:
    words = _SLASHED.sub(rf"\g<said>{HOME}", words)
    if doors:
        words = _NUMBERED_DOOR.sub(rf"\g<said>{DOOR}", words)
        words = _DOORS.sub(DOOR, words)
    if rooms:
        words = _rooms_again(tuple(sorted(rooms))).sub(DOOR, words)
    words = _CALLED.sub(rf"\g<said>{NAME}", words)
    words = _WORKS.sub(rf"\g<said>{SELF}\g<does>", words)
    words = _IS.sub(lambda found: found["said"] + _identity(found), words)
    return _LIVES.sub(lambda found: found["said"] + _without_address(found["where"]), words)


@lru_cache(maxsize=1024)
def _rooms_again(rooms: tuple[str, ...]) -> re.Pattern[str]:
    """These rooms in Arabic digits or in Chinese ones."""
    written = (
        "".join(f"[{digit}{_HAN_OF[int(digit)]}]" for digit in room if digit.isdigit())
        for room in rooms
    )
    return re.compile(rf"(?<![{_DIGIT}])(?:{'|'.join(written)})(?![{_DIGIT}]){_COUNTED}[室户号房]?")


def _identity(found: re.Match[str]) -> str:
    """What stays of the words behind 我是: 3号楼的住户 loses the number, 这家店的会计 all."""
    who = found["who"]
    if SELF in who or HOME in who or _STATEMENT.match(who):
        return who
    role, resident = _ROLE.search(who), _RESIDENT.search(who)
    if role is not None and (resident is None or resident.start() > role.start()):
        return SELF + who[role.end() :]
    stripped = _without_address(who) if found["one"] else who
    if resident is not None or stripped != who:
        return stripped
    longest = _SHORT_IDENTITY if _NARRATION.match(who) else _LONGEST_IDENTITY
    told = len(who) > longest or (longest == _SHORT_IDENTITY and not who.endswith("的"))
    return who if told else SELF


def _without_address(where: str) -> str:
    """The words with each row of address parts replaced by one label."""
    return _LABELS.sub(HOME, _ADDRESS.sub(HOME, where))
