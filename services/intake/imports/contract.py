"""What the routes of imports take and give."""

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from services.intake.contract import LocalTime
from services.intake.imports.columns import HEADINGS, MappingError
from services.intake.imports.ledger import State


class ImportView(BaseModel):
    """An import and how far it is.

    `mapping` says for each field under which heading it was found, `unused` which columns are
    not read. `rows` is unknown until the table was read through once.
    """

    id: str
    name: str
    state: State
    dry_run: bool
    mapping: Mapping[str, str]
    unused: Sequence[str]
    rows: int | None
    done: int
    accepted: int
    refused: int
    reason: str | None = Field(description="为什么导入失败；没有收下任何一行")
    created_by: str
    created_at: LocalTime
    changed_at: LocalTime


class RefusalView(BaseModel):
    """Why a row was refused: the field and how to mend it. Never what stood there."""

    field: str
    message: str


class LineView(BaseModel):
    """What became of a row; its number is the one that a spreadsheet shows."""

    row: int
    number: str | None
    refusals: Sequence[RefusalView]


class LinePage(BaseModel):
    """Rows in order; `next` is the `after` of the following page."""

    items: Sequence[LineView]
    next: int | None


def parsed_mapping(given: str) -> Mapping[str, str]:
    """A mapping as it is sent: a JSON object of fields and headings. Raises MappingError."""
    try:
        found = json.loads(given or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        example = json.dumps({"text": "诉求内容", "caller.phone": "电话"}, ensure_ascii=False)
        raise MappingError(f"mapping 要写成 {example} 的样子；字段有 {'、'.join(HEADINGS)}")
    return found
