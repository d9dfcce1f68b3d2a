"""Personal data as citizens say it, and what only looks like it: kinds, each without end.

A personal kind gives words of which nothing may remain readable; a harmless one gives words that
a unit needs as they are. The kinds were written down before the rules were.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

Words = Callable[[Random], str]

HAN: Final = "零一二三四五六七八九"
SPOKEN: Final = "零幺二三四五六七八九"
FORMAL: Final = "零壹贰叁肆伍陆柒捌玖"
TRADITIONAL: Final = "零壹貳參肆伍陸柒捌玖"
RADIO: Final = "洞幺两三四五六拐八勾"
WIDE: Final = "０１２３４５６７８９"
CIRCLED: Final = "⓪①②③④⑤⑥⑦⑧⑨"
RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
LOWERED: Final = "₀₁₂₃₄₅₆₇₈₉"
BOLD: Final = "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"
DOUBLE: Final = "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡"
KEYCAPS: Final = tuple(f"{digit}\u20e3" for digit in "0123456789")
SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何高林罗"
GIVEN: Final = "建国桂兰秀英志强丽华海燕玉梅春生淑珍德明"


def digits(chance: Random, count: int) -> str:
    return "".join(str(chance.randrange(10)) for _ in range(count))


def mobile(chance: Random) -> str:
    return f"1{chance.choice('356789')}{digits(chance, 9)}"


def landline(chance: Random) -> str:
    return f"{chance.choice('25678')}{digits(chance, 7)}"


def identity(chance: Random) -> str:
    year, month, day = chance.randint(1940, 2008), chance.randint(1, 12), chance.randint(1, 28)
    last = chance.choice("0123456789X")
    return f"12010{chance.randint(1, 6)}{year}{month:02}{day:02}{digits(chance, 3)}{last}"


def card(chance: Random) -> str:
    return f"62{digits(chance, 17)}"


def name(chance: Random) -> str:
    return chance.choice(SURNAMES) + "".join(chance.sample(GIVEN, chance.randint(1, 2)))


def cut(words: str, sizes: tuple[int, ...], gap: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(words[at : at + size])
        at += size
    return gap.join(part for part in (*parts, words[at:]) if part)


def in_script(words: str, script: str | tuple[str, ...]) -> str:
    return "".join(script[int(letter)] if letter.isdigit() else letter for letter in words)


def _grouped(make: Words, sizes: tuple[int, ...], gap: str) -> Words:
    return lambda chance: cut(make(chance), sizes, gap)


def _scripted(make: Words, script: str | tuple[str, ...]) -> Words:
    return lambda chance: in_script(make(chance), script)


def _framed(make: Words, frame: str) -> Words:
    return lambda chance: frame.format(make(chance))


GAPS: Final = {
    "blank": " ",
    "dash": "-",
    "comma": "，",
    "small comma": ",",
    "pause": "、",
    "slash": "/",
    "dot": ".",
    "newline": "\n",
    "um": "嗯",
    "uh": "呃，",
    "then": "然后",
    "spaced dash": " - ",
    "underscore": "_",
}
SCRIPTS: Final[Mapping[str, str | tuple[str, ...]]] = {
    "han": HAN,
    "spoken": SPOKEN,
    "formal": FORMAL,
    "traditional": TRADITIONAL,
    "radio": RADIO,
    "wide": WIDE,
    "circled": CIRCLED,
    "raised": RAISED,
    "lowered": LOWERED,
    "bold": BOLD,
    "double": DOUBLE,
    "keycaps": KEYCAPS,
}

PHONES: Final[dict[str, Words]] = {
    "mobile": _framed(mobile, "我电话{}，方便时打"),
    **{
        f"mobile 3-4-4, {gap}": _framed(_grouped(mobile, (3, 4, 4), mark), "请回电{}谢谢")
        for gap, mark in GAPS.items()
    },
    **{
        f"mobile in {script}": _framed(_scripted(mobile, letters), "打{}找我")
        for script, letters in SCRIPTS.items()
    },
    "mobile 3-3-5": _framed(_grouped(mobile, (3, 3, 5), " "), "打{}找我"),
    "mobile 2-3-3-3": _framed(_grouped(mobile, (2, 3, 3, 3), " "), "手机{}"),
    "mobile 3-2-3-3": _framed(_grouped(mobile, (3, 2, 3, 3), " "), "手机{}"),
    "mobile 3-2-2-2-2": _framed(_grouped(mobile, (3, 2, 2, 2, 2), " "), "手机{}"),
    "mobile 3-8": _framed(_grouped(mobile, (3, 8), " "), "手机{}"),
    "mobile 1 by 1": _framed(_grouped(mobile, (1,) * 11, " "), "手机{}"),
    "mobile 1 by 1, pauses": _framed(_grouped(mobile, (1,) * 11, "、"), "手机{}"),
    "mobile with O for 0": lambda chance: (
        f"打{mobile(chance)[:8].replace('0', '8')}O{digits(chance, 2)}找我"
    ),
    "mobile with l for 1": lambda chance: f"打l{mobile(chance)[1:].replace('1', 'l')}找我",
    "mobile with country": _framed(mobile, "打+86{}"),
    "mobile with 0086": _framed(mobile, "打0086 {}"),
    "mobile half spoken": lambda chance: (
        f"打{mobile(chance)[:3]}{in_script(digits(chance, 4), HAN)}{digits(chance, 4)}"
    ),
    "two mobiles, slash": lambda chance: (
        f"电话{cut(mobile(chance), (3, 4, 4), '-')}/{cut(mobile(chance), (3, 4, 4), '-')}"
    ),
    "two mobiles, no gap": lambda chance: f"电话{mobile(chance)}{mobile(chance)}",
    "two mobiles, 或": lambda chance: f"电话{mobile(chance)}或{mobile(chance)}",
    "two mobiles, blank": lambda chance: f"电话{mobile(chance)} {mobile(chance)}",
    "landline": _framed(landline, "座机{}"),
    "landline 4-4": _framed(_grouped(landline, (4, 4), "-"), "座机{}打不通"),
    "landline 4-4, blank": _framed(_grouped(landline, (4, 4), " "), "座机{}"),
    "landline 022": _framed(landline, "座机022-{}"),
    "landline (022)": _framed(landline, "座机(022){}"),
    "landline 022, commas": lambda chance: f"座机022，{cut(landline(chance), (4, 4), '，')}",
    "landline spoken": _framed(_scripted(landline, SPOKEN), "座机零二二{}"),
    "400 number": lambda chance: f"他们公司400-{digits(chance, 3)}-{digits(chance, 4)}",
    "Hong Kong": lambda chance: f"香港号+852 9{digits(chance, 3)} {digits(chance, 4)}",
    "United States": lambda chance: f"我女儿在美国+1 415 555 2{digits(chance, 3)}",
    "mobile with extension words": _framed(mobile, "{}转我爱人"),
}
CARDS: Final[dict[str, Words]] = {
    "identity": _framed(identity, "身份证{}"),
    **{
        f"identity 6-8-4, {gap}": _framed(_grouped(identity, (6, 8), mark), "身份证号{}请核对")
        for gap, mark in GAPS.items()
    },
    **{
        f"identity in {script}": _framed(_scripted(identity, letters), "身份证{}")
        for script, letters in SCRIPTS.items()
        if script not in ("radio",)
    },
    "identity 3-3-…": _framed(_grouped(identity, (3,) * 6, " "), "身份证{}"),
    "identity 6-4-4-4": _framed(_grouped(identity, (6, 4, 4), " "), "身份证{}"),
    "identity, small x": lambda chance: f"身份证{identity(chance)[:17]}x",
    "bank card": _framed(card, "卡号{}"),
    "bank card 4-4-…": _framed(_grouped(card, (4, 4, 4, 4), " "), "卡号{}"),
    "bank card 4-4-…, commas": _framed(_grouped(card, (4, 4, 4, 4), "，"), "卡号{}"),
    "bank card, newline": _framed(_grouped(card, (4, 4, 4, 4), "\n"), "卡号{}"),
    "bank card wide": _framed(_scripted(card, WIDE), "卡号{}"),
    "bank card formal": _framed(_scripted(card, FORMAL), "卡号{}"),
    "passport": lambda chance: f"护照E{digits(chance, 8)}",
    "passport, letter": lambda chance: f"护照号EH{digits(chance, 7)}",
    "passport, bare": lambda chance: f"我是G{digits(chance, 8)}持有人",
}
ACCOUNTS: Final[dict[str, Words]] = {
    "e-mail": lambda chance: f"邮箱zhang{digits(chance, 3)}@163.com",
    "e-mail wide": lambda chance: f"邮箱li{digits(chance, 3)}＠qq．com",
    "e-mail spelled": lambda chance: f"邮箱wang{digits(chance, 3)}艾特qq点com",
    "plate": lambda chance: f"车牌津A{digits(chance, 5)}",
    "plate, new energy": lambda chance: f"车牌津AD{digits(chance, 5)}",
    "plate, dot": lambda chance: f"车牌津B·{digits(chance, 5)}",
    "plate spoken": lambda chance: f"车牌津A{in_script(digits(chance, 5), SPOKEN)}",
    "plate blanks": lambda chance: f"车牌津 A {digits(chance, 5)}",
    "plate, 1 by 1": lambda chance: f"车牌津 A {' '.join(digits(chance, 5))}",
    "WeChat": lambda chance: f"微信zhang_{digits(chance, 4)}加我",
    "WeChat, 号是": lambda chance: f"微信号是li{digits(chance, 6)}",
    "WeChat, vx": lambda chance: f"加vx：wang{digits(chance, 5)}",
    "WeChat, wx": lambda chance: f"wx liu-{digits(chance, 5)}",
    "WeChat is the mobile": _framed(mobile, "微信同号{}"),
    "QQ": lambda chance: f"我QQ{chance.randint(10000, 9999999999)}",
    "QQ, 号": lambda chance: f"QQ号：{chance.randint(100000, 999999999)}",
    "QQ small": lambda chance: f"qq {chance.randint(100000, 999999999)}",
    "QQ spoken": lambda chance: f"扣扣号{in_script(f'7{digits(chance, 8)}', HAN)}",
    "other accounts": lambda chance: f"抖音号dy{digits(chance, 7)}",
    "QQ, 扣扣": lambda chance: f"扣扣{chance.randint(100000, 999999999)}",
}
NAMES: Final[dict[str, Words]] = {
    "我叫": _framed(name, "我叫{}，楼道灯坏了"),
    "我叫, end": _framed(name, "楼道灯坏了，我叫{}"),
    "我的名字叫": _framed(name, "我的名字叫{}。"),
    "本人": _framed(name, "本人{}，住这个小区"),
    "本人姓名": _framed(name, "本人姓名：{}"),
    "姓名": _framed(name, "姓名：{} 诉求：停水"),
    "联系人": _framed(name, "联系人{}，请回电"),
    "联系人, colon": _framed(name, "联系人：{}"),
    "举报人": _framed(name, "举报人：{}。"),
    "投诉人": _framed(name, "投诉人{}，要求退款"),
    "反映人": _framed(name, "反映人：{}"),
    "署名": _framed(name, "请尽快处理。署名：{}"),
    "落款": _framed(name, "此致敬礼 落款{}"),
    "申请人": _framed(name, "申请人：{}，男"),
    "全名": _framed(name, "邻居都叫我老张，全名{}。"),
    "我姓… 叫": lambda chance: f"我姓王叫王{chance.choice(GIVEN)}{chance.choice(GIVEN)}，住楼上",
    "名叫": _framed(name, "我爱人名叫{}，住院了"),
    "of a minority": lambda chance: f"我叫买买提{chance.choice('·•')}艾{chance.choice(GIVEN)}",
    "blanks inside": lambda chance: f"我叫王 {chance.choice(GIVEN)} {chance.choice(GIVEN)}。",
    "我是… with mobile": lambda chance: f"我叫{name(chance)}电话{mobile(chance)}",
}
PERSONAL: Final[Mapping[str, Words]] = {**PHONES, **CARDS, **ACCOUNTS, **NAMES}

HARMLESS: Final[Mapping[str, Words]] = {
    "rooms, range": lambda c: f"{(f := c.randint(11, 32))}01-{f}04都停暖了",
    "rooms, list": lambda c: (
        f"{c.randint(10, 30)}01、{c.randint(10, 30)}02、{c.randint(10, 30)}03三户漏水"
    ),
    "door": lambda c: f"{c.randint(1, 30)}号楼{c.randint(1, 6)}门{c.randint(101, 2904)}漏水",
    "door, dashes": lambda c: f"{c.randint(1, 30)}-{c.randint(1, 6)}-{c.randint(101, 2904)}漏水",
    "buildings": lambda c: f"{(b := c.randint(10, 60))}-{b + 1}-{b + 2}-{b + 3}四栋都停水",
    "buildings, list": lambda c: (
        f"{(b := c.randint(1, 40))}、{b + 1}、{b + 2}、{b + 3}、{b + 4}、{b + 5}、{b + 6}号楼停水"
    ),
    "wages": lambda c: f"工资{c.randint(2, 4)}000-{c.randint(5, 9)}000不等",
    "wages, hundreds": lambda c: f"{c.randint(20, 45)}00-{c.randint(50, 99)}00的退休金",
    "hours": lambda c: f"{c.randint(20, 21)}00-{c.randint(22, 23)}00还在施工",
    "hours, colon": lambda c: f"0{c.randint(6, 9)}:30-{c.randint(16, 21)}:00施工",
    "hours, half": lambda c: f"{c.randint(10, 23)}点{c.randint(10, 59)}分还在响",
    "yuan": lambda c: f"花了{c.randint(1000000, 9999999)}元",
    "yuan sign": lambda c: f"交了¥{c.randint(1000000, 9999999)}押金",
    "yuan sign wide": lambda c: f"交了￥{c.randint(10000000, 99999999)}房款",
    "yuan, commas": lambda c: (
        f"{c.randint(1, 9)},{c.randint(100, 999)},{c.randint(100, 999)}元房款"
    ),
    "wan": lambda c: f"首付{c.randint(1000000, 9999999)}块",
    "square metres": lambda c: f"占地{c.randint(1000000, 9999999)}平方米",
    "date": lambda c: f"20{c.randint(10, 26)}-0{c.randint(1, 9)}-1{c.randint(0, 9)}报修",
    "date, tight": lambda c: f"20{c.randint(10, 26)}0{c.randint(1, 9)}1{c.randint(0, 9)}报修",
    "date, slashes": lambda c: f"20{c.randint(10, 26)}/{c.randint(1, 9)}/{c.randint(1, 9)}报修",
    "date, dots": lambda c: f"20{c.randint(10, 26)}.{c.randint(1, 9)}.{c.randint(1, 9)}报修",
    "years": lambda c: f"20{c.randint(10, 19)}-20{c.randint(20, 26)}年的物业费",
    "years, spoken": lambda c: f"二〇{in_script(str(c.randint(10, 26)), HAN)}年建成",
    "months": lambda c: f"20{c.randint(10, 26)}年{c.randint(1, 12)}月到{c.randint(1, 12)}月",
    "ticket": lambda c: f"工单NK20261{c.randint(100, 130)}-{c.randint(0, 999999):06}没人管",
    "ticket, other": lambda c: f"工单号JJ{c.randint(10**11, 10**12 - 1)}",
    "courier": lambda c: f"快递单号SF{c.randint(10**12, 10**13 - 1)}丢了",
    "courier, digits": lambda c: f"运单号77{c.randint(10**12, 10**13 - 1)}没送到",
    "order": lambda c: f"订单号{c.randint(10**17, 10**18 - 1)}不退款",
    "permit": lambda c: f"施工许可证1201{c.randint(10**13, 10**14 - 1)}过期了",
    "lift": lambda c: f"电梯注册代码3110{c.randint(10**15, 10**16 - 1)}坏了",
    "lift, number": lambda c: f"{c.randint(1, 9)}号楼{c.randint(1, 4)}号电梯停了",
    "lift, plate": lambda c: f"电梯编号T{c.randint(100000, 999999)}",
    "meter": lambda c: f"电表号{c.randint(10**9, 10**10 - 1)}读数不对",
    "meter, water": lambda c: f"水表户号{c.randint(10**8, 10**9 - 1)}",
    "bus": lambda c: f"{c.randint(1, 959)}路公交不来",
    "buses": lambda c: (
        f"{c.randint(1, 99)}路、{c.randint(100, 599)}路、{c.randint(600, 959)}路都不停"
    ),
    "road numbers": lambda c: f"宾水西道{(n := c.randint(300, 390))}-{n + 8}号门口",
    "road number": lambda c: f"长江道{c.randint(1, 999)}号",
    "storeys": lambda c: f"{c.randint(10, 20)}层到{c.randint(21, 33)}层没水",
    "storeys, list": lambda c: f"{c.randint(1, 9)}、{c.randint(10, 19)}、{c.randint(20, 33)}层没水",
    "flats": lambda c: f"{c.randint(100, 999)}户{c.randint(1000, 3999)}人停水",
    "times": lambda c: f"打了{c.randint(2, 30)}次电话没人管",
    "service numbers": lambda c: (
        f"打了{c.choice(['110', '119', '120', '12345', '8890', '96677', '12315', '95598'])}没人接"
    ),
    "several services": lambda _: "打过110、119、120、12345都没用",
    "law": lambda c: f"按第{c.randint(1, 99)}条第{c.randint(1, 9)}款",
    "document": lambda c: f"津政发〔20{c.randint(10, 26)}〕{c.randint(1, 99)}号文",
    "coordinates": lambda c: f"39.{c.randint(100000, 999999)},117.{c.randint(100000, 999999)}",
    "percent": lambda c: f"涨了{c.randint(10, 99)}.{c.randint(10, 99)}%",
    "size": lambda c: (
        f"{c.randint(1, 9)}.{c.randint(1, 9)}米x{c.randint(1, 9)}.{c.randint(1, 9)}米"
    ),
    "sizes": lambda c: f"{c.randint(100, 999)}*{c.randint(100, 999)}*{c.randint(10, 99)}毫米",
    "temperature": lambda c: f"室温{c.randint(10, 17)}度",
    "decibels": lambda c: f"噪音{c.randint(60, 99)}分贝",
    "age": lambda c: f"老人{c.randint(60, 99)}岁",
    "ages": lambda c: f"{c.randint(60, 79)}、{c.randint(80, 99)}岁两位老人",
    "spoken count": lambda c: f"一{c.choice('两三')}个月没人管，来了三四趟",
    "spoken idiom": lambda _: "三番五次七上八下一五一十",
    "buildings spoken": lambda _: "一二三四五六号楼都停水",
    "version": lambda c: f"系统升级到{c.randint(1, 9)}.{c.randint(0, 9)}.{c.randint(0, 9)}",
    "address": lambda c: f"192.168.{c.randint(1, 99)}.{c.randint(1, 254)}",
    "wechat word": lambda _: "物业微信群里没人回",
    "wechat, group": lambda _: "加了物业微信好友也不回复",
    "QQ word": lambda _: "在QQ群里投诉过",
    "called word": lambda _: "我叫了好几次物业都不来",
    "person word": lambda _: "本人已经多次反映，联系人不接电话",
    "contact word": lambda _: "没有联系人，署名了也没用",
    "informant word": lambda _: "举报人信息要保密，投诉人很多",
    "model word": lambda c: f"海尔BCD-{c.randint(100, 999)}冰箱漏水",
    "floor plan": lambda c: f"{c.randint(2, 4)}室{c.randint(1, 2)}厅{c.randint(60, 140)}平",
    "stock": lambda c: f"欠了{c.randint(3, 9)}000多，{c.randint(2, 9)}00块利息",
    "price per metre": lambda c: f"{c.randint(10000, 40000)}一平",
    "fee range": lambda c: f"物业费1.{c.randint(2, 9)}-2.{c.randint(2, 9)}元",
    "bed numbers": lambda c: f"{c.randint(1, 9)}楼{c.randint(10, 99)}床",
}
