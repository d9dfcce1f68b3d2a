"""Silence, noise and abuse: what is left of a message when nothing was asked.

Abuse never hides a demand: the words below are taken out, and what remains is classified.
Silence is never settled by machine: a caller who cannot speak may be in danger.
"""

import re
from typing import Final

ABUSE: Final = (
    "王八蛋",
    "王八羔子",
    "混蛋",
    "混账",
    "他妈的",
    "操你妈",
    "去你妈",
    "傻逼",
    "傻比",
    "傻x",
    "煞笔",
    "沙比",
    "帮废物",
    "群废物",
    "是废物",
    "个废物",
    "些废物",
    "废物点心",
    "神经病啊",
    "你神经病",
    "缺德玩意",
    "饭桶",
    "畜生",
    "狗东西",
    "狗娘养的",
    "狗屁",
    "放屁",
    "放狗屁",
    "吃屎",
    "白痴",
    "不要脸",
    "滚蛋",
    "滚犊子",
    "给我滚",
    "去死",
    "死全家",
    "吃干饭的",
    "吃闲饭的",
    "人渣",
    "败类",
    "垃圾东西",
)
"""Insults, in the form of `normalise.clean`.

None may stand in a plain word: not 妈的 (我妈的补贴), not 废物 alone (医疗废物), not sb (usb).
"""

FILLERS: Final = (
    "你们",
    "你",
    "我",
    "他们",
    "这帮",
    "一帮",
    "一群",
    "都是",
    "就是",
    "全是",
    "真是",
    "是",
    "的",
    "了",
    "吧",
    "啊",
    "呀",
    "喂",
    "哦",
    "嗯",
    "呃",
    "哈",
    "嘿",
    "呵",
    "哎",
    "唉",
    "没用",
    "滚",
    "骂",
)
"""Words that carry no demand by themselves."""

SILENCE: Final = (
    "无声",
    "静音",
    "沉默",
    "没有声音",
    "没声音",
    "无人说话",
    "不说话",
    "空号",
    "挂断",
)
"""How operators and recorders write down that nothing was said."""

QUESTIONS: Final = (
    "咨询",
    "请问",
    "想问",
    "问问",
    "问一下",
    "打听",
    "想了解",
    "怎么申请",
    "怎么办理",
    "怎么换",
    "怎么补",
    "在哪领",
    "哪里领",
    "哪里办",
    "去哪",
    "上哪",
    "找哪个",
    "几点",
    "多少钱",
    "什么时候",
    "是不是要换",
)
"""Words of somebody who wants to know and not to be rescued."""

A_DEMAND: Final = 5
"""Fewer Chinese letters than this, insults and fillers aside, are no demand."""

_ABUSE = re.compile("|".join(sorted(map(re.escape, ABUSE), key=len, reverse=True)))
_FILLERS = re.compile("|".join(sorted(map(re.escape, FILLERS), key=len, reverse=True)))
_QUESTIONS = re.compile("|".join(QUESTIONS))
_SILENCE = re.compile("|".join(SILENCE))
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTERS = re.compile(r"[^\W\d_]")


def is_silent(cleaned: str) -> bool:
    """Nothing was said: no letters but marks of silence and sounds."""
    return not _LETTERS.search(_FILLERS.sub("", _SILENCE.sub("", cleaned)))


def is_foreign(cleaned: str) -> bool:
    """Letters, but not one of them Chinese."""
    return not _CHINESE.search(cleaned)


def is_question(cleaned: str) -> bool:
    """Somebody asks how, where or when."""
    return bool(_QUESTIONS.search(cleaned))


def without_abuse(cleaned: str) -> str:
    """The text without its insults."""
    return _ABUSE.sub("", cleaned)


def is_only_abuse(cleaned: str) -> bool:
    """Insults, and beside them nothing anybody could act on."""
    rest = without_abuse(cleaned)
    return rest != cleaned and len(_CHINESE.findall(_FILLERS.sub("", rest))) < A_DEMAND
