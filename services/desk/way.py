"""The way a ticket took, in words: what each step says beside its name, and how far it has come."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.desk.remote import Json, Names
from services.desk.words import PRIORITIES, happened
from shared.names import CLOCK_NAMES, FLAG_NAMES

UNITS: Final = {
    "owner": "",
    "lead_unit": "主办",
    "proposed_owner": "建议承办",
    "to": "报",
    "street": "街道",
    "unit": "",
}
PLAIN: Final = {
    "reason_code": "原因",
    "basis": "依据",
    "place": "地点",
    "plan": "计划",
    "review_date": "复核日期",
}
STAGES: Final = (
    ("受理", ("受理",)),
    ("分类", ("分类", "分类存疑", "改判")),
    ("派单", ("派单", "改派", "紧急转接", "指定承办", "同意退单")),
    ("签收", ("签收",)),
    ("联系", ("联系诉求人",)),
    ("答复", ("答复", "直接答复")),
    ("核实", ("核实通过",)),
    ("回访", ("回访",)),
    ("办结", ("办结",)),
)
"""The stations of a ticket, and what in its log says that it was there."""
BACK: Final = {
    "核实未过": "答复",
    "重新办理": "签收",
    "同意退单": "签收",
    "指定承办": "签收",
    "改派": "签收",
    "转人工派单": "派单",
    "待补充信息": "派单",
}
"""From which station on a ticket has to go its way again."""


@dataclass(frozen=True, slots=True)
class Station:
    """A station: `at` when it was passed last, None where it was not or is undone."""

    name: str
    at: str | None
    next: bool


def stations(lines: Sequence[Json], *, begun: Sequence[str] = ()) -> Sequence[Station]:
    """Where a ticket has been; the first station it still has to reach is `next`.

    `begun` are stations passed before the log begins.
    """
    order = [name for name, _ in STAGES]
    passed: dict[str, str] = dict.fromkeys(begun, "")
    for line in lines:
        said = happened(line.get("type") or line["fact"])
        if said in BACK:
            for name in order[order.index(BACK[said]) :]:
                passed.pop(name, None)
        for name, tellers in STAGES:
            if said in tellers:
                passed[name] = line["at"]
    last = max((order.index(name) for name in passed), default=-1)
    closed = "办结" in passed
    return [
        Station(name, passed.get(name), next=not closed and at == last + 1)
        for at, name in enumerate(order)
    ]


def details(detail: Mapping[str, str], names: Names) -> str:
    """What a step says beside its name: whose clock, what was changed, on what basis."""
    return "；".join(_details(detail, names))


def _details(detail: Mapping[str, str], names: Names) -> Iterator[str]:
    for name, value in detail.items():
        if not value:
            continue
        if name == "clock":
            yield f"{CLOCK_NAMES.get(value, value)}时限"
        elif name == "leaf":
            yield names.leaf(value)
        elif name == "priority":
            yield f"{value} {PRIORITIES.get(value, '')}".strip()
        elif name == "flag":
            yield FLAG_NAMES.get(value, value)
        elif name in UNITS:
            yield f"{UNITS[name]}{names.unit(value)}"
        elif name in PLAIN:
            yield f"{PLAIN[name]}：{value}"
