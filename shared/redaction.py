"""Personal data out of free text: every occurrence, not just the first.

What is replaced: phone numbers, citizen ID numbers, passports and bank cards however they are
grouped or spelled (see `personal_numbers.py`), e-mail addresses, WeChat and QQ accounts, car
plates, the caller's own name and phone, and whom the words name as caller (我叫…, 联系人…).
House numbers, dates, amounts, codes of things and service numbers (110, 8890, 12345, 96677 …)
stay, for a ticket without them cannot be handled. The replacement says what stood there, so
that a reader is not misled.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from opencc import OpenCC

from shared.folding import simplified
from shared.personal_numbers import CARD, HAN, IDENTITY, PHONE, without_numbers

EMAIL: Final = "【邮箱】"
PLATE: Final = "【车牌】"
NAME: Final = "【姓名】"
ACCOUNT: Final = "【账号】"
LABELS: Final = (PHONE, IDENTITY, CARD, EMAIL, PLATE, NAME, ACCOUNT)

_WRITTEN: Final = "0-9０-９"
_ALNUM: Final = r"A-Za-z0-9Ａ-Ｚａ-ｚ０-９"
_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_CHARS: Final = rf"A-HJ-NP-Za-hj-np-zＡ-Ｚａ-ｚ{_WRITTEN}{HAN}"

_EMAIL: Final = re.compile(
    rf"[{_ALNUM}._%+\-．＿－]{{1,64}}[@＠][{_ALNUM}\-－]{{1,63}}(?:[.．][{_ALNUM}\-－]{{1,63}}){{1,4}}"
)
_SPELLED_EMAIL: Final = re.compile(
    r"[A-Za-z0-9._\-]{1,64} ?(?:艾特|圈a|(?<= )at(?= )|#) ?[A-Za-z0-9\-]{1,63} ?(?:点|\.|dot) ?"
    r"(?:com|cn|net|org)",
    re.IGNORECASE,
)
_PLATE: Final = re.compile(
    rf"[{_PROVINCES}][ ]?[A-HJ-NP-Za-hj-np-zＡ-Ｚａ-ｚ][ ·•.．\-－]?(?:[{_PLATE_CHARS}] ?){{4,5}}"
    rf"[{_PLATE_CHARS}挂学警港澳](?![{_ALNUM}])"
)
_PASSPORT: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[EGDPSHM][0-9]{8}|E[A-HJ-NP-Z][0-9]{7})(?![0-9A-Za-z])"
)
_DOCUMENT: Final = re.compile(
    r"(?P<of>(?:护照|通行证|军官证|驾驶证|社保卡|医保卡)(?:号码?)?[是为:： ]{0,2})"
    r"[A-Za-z]{0,2}[0-9]{6,12}(?![0-9A-Za-z])"
)
_ACCOUNT: Final = re.compile(
    r"(?P<of>(?:微信|薇信|威信|v信|vx|wx|wechat|weixin|qq|扣扣|企鹅号|抖音|快手|小红书) ?"
    r"(?:同号|号码?|账号|id)?(?:[是为:：,， ]|就是|加我|加){0,3})"
    rf"(?P<id>[A-Za-z][A-Za-z0-9_\-]{{4,19}}|[1-9][0-9]{{4,10}}|[{HAN}]{{5,11}})(?![A-Za-z0-9{HAN}])",
    re.IGNORECASE,
)

_SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛"
    "叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺"
    "赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦向柳邢岳齐梅莫庄辛管祝左涂谷祁舒耿牟卜"
    "詹关苗凌费纪靳盛童欧甄项曲成游裴席卫查屈鲍位覃霍翁隋甘景薄单包柏宁柯阮桂闵解强柴华车冉房边窦"
)
_COMPOUND: Final = "欧阳|司马|上官|诸葛|司徒|慕容|令狐|皇甫|尉迟|东方"
_NO_GIVEN: Final = (
    "先生|女士|小姐|同志|今天|明天|今早|明早|今年|去年|前天|家[的住里是在]|手机|电话|要求|建议|希望|反映|投诉|举报"
    "|[昨上下在是有没不已就都也来去到从对和与把被让给想会能可应该月日点了的过这那些个为住请多次很再又还]"
)
_SAYS_NAME: Final = re.compile(
    r"(?P<said>(?:我名?叫|(?<=[，,])叫|我姓(?=[一-鿿][，,]?叫)|名叫|全名|大名|我的?名字[是叫]|我姓名|本人(?:姓名)?叫?|姓名|联系人|举报人|反映人|投诉人"
    r"|申请人|来电人|报修人|署名|落款)(?:姓名)?[是为:： ]{0,2})"
    rf"(?:(?:{_COMPOUND})[一-鿿]{{1,2}}|[{_SURNAMES}](?:(?!{_NO_GIVEN})[一-鿿]){{1,2}}"
    rf"|[{_SURNAMES}][，,]?叫[一-鿿]{{1,3}}|[{_SURNAMES}] [一-鿿](?: [一-鿿])?"
    r"|[一-鿿]{2,6}[·•・][一-鿿]{1,8})"
    r"(?=[，。,.;；!！?？、\s()（）]|$|先生|女士|小姐|同志|电话|手机|号码|住|家|今年|于|的)"
)
_TITLES: Final = re.compile("(?:先生|女士|小姐|同志|老师|师傅|大爷|大妈|大姐|大哥|阿姨|叔叔|经理)$")
_BETWEEN: Final = r"[\s·•・．.‧∙⋅]{0,2}"


def redact(text: str, names: Iterable[str] = (), phones: Iterable[str] = ()) -> str:
    """`text` with personal data replaced; `names` and `phones` are the caller's own.

    A name of one character and a phone of less than five digits are too common to be
    taken out; a name is found with or without its title, in other characters of the same
    name, with blanks or other dots in it. Idempotent. Takes time linear in the text.
    """
    if "@" in text or "＠" in text:
        text = _EMAIL.sub(EMAIL, text)
    text = _SPELLED_EMAIL.sub(EMAIL, text)
    text = _PLATE.sub(PLATE, text)
    text = _PASSPORT.sub(IDENTITY, text)
    text = _DOCUMENT.sub(rf"\g<of>{IDENTITY}", text)
    for phone in phones:
        if sum(map(str.isdigit, phone)) >= 5:
            text = _replaced(text, re.escape(phone), PHONE)
    text = without_numbers(text)
    text = _ACCOUNT.sub(rf"\g<of>{ACCOUNT}", text)
    for name in names:
        if pattern := _pattern_of(name):
            text = _replaced(text, pattern, NAME)
    return _SAYS_NAME.sub(rf"\g<said>{NAME}", text)


def _replaced(text: str, pattern: str, label: str) -> str:
    """Replace words, but never inside a label that stands there already."""
    found = re.compile(f"({'|'.join(LABELS)})|{pattern}", re.IGNORECASE)
    return found.sub(lambda match: match[1] or label, text)


def _pattern_of(name: str) -> str | None:
    """How a name may be written, None where it is too short to be told from other words."""
    bare = "".join(re.split(_BETWEEN.removesuffix("{0,2}"), _TITLES.sub("", name.strip())))
    bare = bare or name.strip()
    return _BETWEEN.join(_written(letter) for letter in bare) if len(bare) >= 2 else None


@lru_cache(maxsize=4096)
def _written(letter: str) -> str:
    """A letter of a name in both scripts."""
    plain = simplified(letter)
    each = {letter, plain, _to_traditional().convert(plain)}
    return f"[{re.escape(''.join(sorted(one for one in each if len(one) == 1)))}]"


@lru_cache(maxsize=1)
def _to_traditional() -> OpenCC:
    return OpenCC("s2t")
