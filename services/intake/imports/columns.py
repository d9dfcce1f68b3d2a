"""Which column of a table holds what, and how its cells become a submission."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from services.intake.contract import Submission
from services.intake.tickets import SHANGHAI
from shared.events import Channel, Kind
from shared.names import CHANNEL_NAMES, KIND_NAMES
from shared.problems import mendings
from shared.spreadsheets import as_written

HEADINGS: Final[Mapping[str, Sequence[str]]] = {
    "text": ("诉求内容", "内容", "诉求", "工单内容", "事项描述", "问题描述", "正文"),
    "title": ("标题", "诉求标题", "工单标题", "主题"),
    "address": ("地址", "诉求地址", "事发地址", "事发地点", "地点"),
    "caller.name": ("姓名", "来电人", "诉求人", "联系人"),
    "caller.phone": ("电话", "联系电话", "来电号码", "手机号", "手机"),
    "caller.confidential": ("是否保密", "保密"),
    "channel": ("渠道", "来源渠道", "来源"),
    "kind": ("诉求类型", "工单类型", "类型"),
    "occurred_at": ("发生时间", "事发时间"),
    "external_id": ("原工单编号", "原工单号", "工单编号", "外部编号", "编号"),
    "accused_unit": ("被投诉单位",),
    "location.lat": ("纬度",),
    "location.lon": ("经度",),
}
"""The fields that a column may hold, and the headings under which each is found by itself."""
KINDS: Final[Mapping[str, Kind]] = {name: kind for kind, name in KIND_NAMES.items()}
CHANNELS: Final[Mapping[str, Channel]] = {name: each for each, name in CHANNEL_NAMES.items()}
YES: Final = frozenset({"是", "保密", "要", "true", "yes", "1", "y", "√"})
NO: Final = frozenset({"否", "不保密", "不要", "false", "no", "0", "n"})
MOMENT: Final = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
    r"(?:[ T]*([0-9]{1,2})[:：时点]([0-9]{1,2})分?(?:[:：]?([0-9]{1,2})(?:\.[0-9]+)?秒?)?)?"
)


class MappingError(ValueError):
    """The mapping does not fit the table; the sentence says what to change."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not taken: the field, and how to mend it. Never what stood there."""

    field: str
    message: str


def columns_of(headings: Sequence[str], given: Mapping[str, str]) -> Mapping[str, int]:
    """The column of each field: the given heading, else one that the field is known by.

    Raises MappingError for an unknown field, a heading that the table lacks, and where no
    column holds the words.
    """
    for field in given:
        if field not in HEADINGS:
            raise MappingError(f"mapping 里只能有这些字段：{'、'.join(HEADINGS)}")
        if given[field] not in headings:
            raise MappingError(f"表里没有 mapping 为 {field} 指定的那一列，请照抄表头")
    found = {}
    for field, known in HEADINGS.items():
        names = (given[field],) if field in given else (field, *known)
        column = next((headings.index(name) for name in names if name in headings), None)
        if column is not None:
            found[field] = column
    if "text" not in found:
        raise MappingError('没有一列是诉求内容；请在 mapping 里写明，如 {"text": "表头"}')
    return found


def submission(cells: Sequence[str], columns: Mapping[str, int]) -> Submission | list[Refusal]:
    """What a row says, or why it cannot be taken. Empty cells say nothing."""
    body: dict[str, Any] = {"channel": Channel.IMPORT}
    for field, column in columns.items():
        cell = as_written(cells[column].strip()) if column < len(cells) else ""
        if not cell:
            continue
        outer, _, inner = field.partition(".")
        if inner:
            body.setdefault(outer, {})[inner] = _value(field, cell)
        else:
            body[field] = _value(field, cell)
    try:
        return Submission.model_validate(body)
    except ValidationError as error:
        found = mendings(error.errors(include_url=False, include_input=False))
        return [Refusal(each["field"], each["message"]) for each in found]


def _value(field: str, cell: str) -> object:
    """A cell as the field wants it; one that is none stays, and the field says what is wrong."""
    match field:
        case "kind":
            return KINDS.get(cell, cell)
        case "channel":
            return CHANNELS.get(cell, cell)
        case "caller.confidential":
            asked = cell.lower()
            return asked in YES if asked in YES | NO else cell
        case "occurred_at":
            return _moment(cell)
        case "location.lat" | "location.lon":
            try:
                return float(cell)
            except ValueError:
                return cell
    return cell


def _moment(cell: str) -> str:
    """ISO 8601 with an offset; what names none is a time on the wall here."""
    written = MOMENT.fullmatch(cell)
    if written is None:
        return cell
    try:
        parts = [int(part) for part in written.groups(default="0")]
        return datetime(*parts, tzinfo=SHANGHAI).isoformat()  # type: ignore[arg-type, misc]
    except ValueError:
        return cell
