"""The commands as forms: what each asks for, and the body it becomes.

Which of them are shown, the router says; what they may say, it checks. This table only knows
how they are asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Ask(StrEnum):
    """How a field is asked for."""

    LINE = "line"
    WORDS = "words"
    UNIT = "unit"
    UNITS = "units"
    LEAF = "leaf"
    PRIORITY = "priority"
    STREET = "street"
    DAY = "day"
    TICK = "tick"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form; `name` is that of the command's body."""

    name: str
    label: str
    ask: Ask = Ask.WORDS
    needed: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A command as a form. `choices` are several buttons that set one field, else there is one.

    `quick` commands stand open; the others are opened one at a time. `confirm` is asked before.
    """

    command: str
    label: str
    fields: tuple[Field, ...] = ()
    choices: tuple[tuple[str, str, str], ...] = ()
    quick: bool = False
    confirm: str = ""


_NOTE: Final = Field("note", "备注")
_REASON: Final = Field("reason", "理由", needed=True)
_RULING: Final = (("approve", "true", "同意"), ("approve", "false", "不同意"))

CASE_FORMS: Final[tuple[Form, ...]] = (
    Form("accept", "签收", quick=True),
    Form("contact", "记录联系", (Field("note", "和来电人说了什么"),)),
    Form("reply", "答复", (Field("note", "办理结果，会告诉来电人", needed=True),)),
    Form(
        "verify",
        "核实",
        (_NOTE,),
        (("approve", "true", "核实通过"), ("approve", "false", "核实未过")),
    ),
    Form(
        "return",
        "退单",
        (
            Field("reason_code", "退单原因", Ask.LINE, needed=True),
            Field("basis", "依据（文件、条款、职责）", needed=True),
            Field("proposed_owner", "应由谁办", Ask.UNIT, needed=True),
            _NOTE,
        ),
        confirm="只能退一次；来电人的期限照走。",
    ),
    Form(
        "rule-return",
        "裁定退单",
        (Field("lead_unit", "指定承办（可不填）", Ask.UNIT), _NOTE),
        (("approve", "true", "同意退单"), ("approve", "false", "不同意退单")),
    ),
    Form("extend", "申请延期", (Field("note", "为什么要延期", needed=True),)),
    Form("rule-extension", "审批延期", (_NOTE,), _RULING),
    Form(
        "suspend",
        "挂账",
        (
            Field("plan", "办理计划", needed=True),
            Field("review_date", "复核日期", Ask.DAY, needed=True),
        ),
    ),
    Form("resume", "恢复办理", (_NOTE,)),
    Form("urge", "催办", (_NOTE,)),
    Form("supervise", "督办", (_NOTE,)),
    Form(
        "redispatch",
        "派单／改派",
        (
            Field("lead_unit", "主办单位", Ask.UNIT, needed=True),
            Field("assist_units", "协办单位", Ask.UNITS),
            _NOTE,
        ),
    ),
    Form("hand-over", "办理转出", (Field("note", "转给了谁、对方编号"),)),
    Form(
        "reclassify",
        "改判",
        (Field("leaf", "事项", Ask.LEAF), Field("priority", "等级", Ask.PRIORITY), _REASON),
    ),
    Form(
        "relocate",
        "改地点",
        (
            Field("words", "地点（小区、路口、地标）", Ask.LINE),
            Field("street", "或者只定街道", Ask.STREET),
            Field("register_as", "提议以此名登记", Ask.LINE),
            _REASON,
        ),
    ),
    Form(
        "restrict",
        "核定保密与被投诉单位",
        (
            Field("confidential", "保护来电人", Ask.TICK),
            Field("accused_unit", "被投诉单位", Ask.UNIT),
            _REASON,
        ),
    ),
    Form("uphold", "维持原派", (_REASON,)),
)
BLOW: Final = Form(
    "blow",
    "吹哨",
    (
        Field("kind", "哨种", Ask.KIND, needed=True),
        Field("lead", "牵头部门", Ask.UNIT, needed=True),
        Field("assist", "还叫哪些单位", Ask.UNITS),
        Field("done_so_far", "街道已做的事", needed=True),
        Field("action", "请部门做什么", needed=True),
        Field("evidence", "现场情况", needed=True),
        Field("basis", "依据"),
        Field("place", "现场位置", Ask.LINE),
        Field("contact", "现场联系人和电话", Ask.LINE),
    ),
    confirm="吹哨后，被叫单位立即计时。",
)
WHISTLE_FORMS: Final[tuple[Form, ...]] = (
    Form("acknowledge", "应哨", quick=True),
    Form("arrive", "已到场", quick=True),
    Form("handle", "处置完成", (Field("note", "处置结果", needed=True),)),
    Form("refuse", "不属本单位", (_REASON,)),
    Form("sign", "签发", (Field("signer_title", "签发人职务，如街道党工委书记", Ask.LINE),)),
    Form("dispatch", "派哨", quick=True),
    Form("reject", "退回补正", (_NOTE,)),
    Form(
        "confirm",
        "街道确认",
        (Field("unit", "哪个单位没处置好", Ask.UNIT), _NOTE),
        (("approve", "true", "处置到位"), ("approve", "false", "没有到位")),
    ),
    Form("score", "评价", (_NOTE,)),
    Form(
        "release",
        "解除呼叫",
        (
            Field("unit", "哪个单位", Ask.UNIT, needed=True),
            Field("lead", "改由谁牵头", Ask.UNIT),
            _NOTE,
        ),
        _RULING,
    ),
    Form(
        "withdraw",
        "撤哨（误报）",
        (_REASON,),
        confirm="撤回后，已通知的单位会收到原因。",
    ),
    Form("close", "结哨", (_NOTE,)),
)


def body_of(form: Form, given: Mapping[str, list[str]]) -> dict[str, Any]:
    """The body of a command; what was left empty is left out."""
    body: dict[str, Any] = {}
    for field in form.fields:
        said = [value.strip() for value in given.get(field.name, []) if value.strip()]
        if field.ask is Ask.TICK:
            body[field.name] = bool(said)
        elif field.ask is Ask.UNITS and said:
            body[field.name] = said
        elif said:
            body[field.name] = said[0]
    for name, _, _ in form.choices:
        if chosen := given.get(name):
            body[name] = chosen[0] == "true"
    if version := given.get("version"):
        body["version"] = int(version[0]) if version[0].isdigit() else version[0]
    return body
