"""Tables of tickets from other systems: tried first, then taken in, every row accounted for."""

import json
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from services.desk.accounts import Visitor
from services.desk.remote import Refused
from services.desk.visit import (
    Given,
    Operator,
    Pages,
    Posted,
    checked,
    form_id_of,
    only_texts,
    page,
    said,
    see,
)

MAX_TABLE: Final = 64_000_000
"""Bytes of a table; intake takes no more."""
LINES: Final = 200
"""Refused rows that the page shows; the whole list is a file to download."""
FIELDS: Final = {
    "text": "诉求内容",
    "title": "标题",
    "address": "地址",
    "caller.name": "姓名",
    "caller.phone": "电话",
    "caller.confidential": "是否保密",
    "channel": "来源渠道",
    "kind": "诉求类型",
    "occurred_at": "发生时间",
    "external_id": "原工单编号",
    "accused_unit": "被投诉单位",
    "location.lat": "纬度",
    "location.lon": "经度",
}
STATES: Final = {
    "running": "正在处理",
    "done": "已完成",
    "failed": "没有导入",
    "cancelled": "已停止",
}

router = APIRouter()


async def _uploaded(request: Request, visitor: Operator) -> tuple[UploadFile | None, Given]:
    """The table of a form whose token is right, and what was typed beside it. Raises Refused."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MAX_TABLE:
        raise Refused(413, "文件超过 64 MB，请分成几个文件。")
    form = await request.form(max_files=1, max_fields=20)
    given = checked(only_texts(form), visitor)
    table = form.get("table")
    return table if isinstance(table, UploadFile) else None, given


Uploaded = Annotated[tuple[UploadFile | None, Given], Depends(_uploaded)]


@router.get("/imports")
def every(visitor: Operator, desk: Pages) -> Response:
    """The form for a table, and the last imports."""
    return _list(desk, visitor)


def _list(desk: Pages, visitor: Visitor, status: int = 200, **shown: Any) -> Response:
    found = desk.services.get("intake", "/imports", visitor)
    return page(
        desk, visitor, "imports.html", status, found=found, states=STATES, fields=FIELDS, **shown
    )  # fmt: skip


@router.post("/imports")
def take(visitor: Operator, uploaded: Uploaded, desk: Pages) -> Response:
    """Try a table: nothing is taken in before somebody has seen what would be."""
    table, given = uploaded
    headings = {name: heading for name in FIELDS if (heading := said(given, name))}
    if table is None or not table.filename:
        return _list(desk, visitor, 422, error="请先选一个文件。")
    try:
        made = desk.services.upload(
            "intake", "/imports", visitor, table.filename, table.file, form_id_of(given),
            dry_run="true", mapping=json.dumps(headings),
        )  # fmt: skip
    except Refused as refused:
        return _list(desk, visitor, refused.status, error=refused.detail)
    return see(f"/imports/{made['id']}")


@router.get("/imports/{job}")
def one(job: str, visitor: Operator, desk: Pages) -> Response:
    """How far an import is, and which rows it refuses."""
    return _one(desk, visitor, job)


def _one(desk: Pages, visitor: Visitor, job: str, status: int = 200, **shown: Any) -> Response:
    found = desk.services.get("intake", f"/imports/{job}", visitor)
    refused = desk.services.get(
        "intake", f"/imports/{job}/lines", visitor, refused="true", limit=LINES
    )
    return page(
        desk, visitor, "import.html", status, job=found, refused=refused["items"],
        states=STATES, fields=FIELDS, **shown,
    )  # fmt: skip


@router.get("/imports/{job}/lines")
def lines(
    job: str,
    visitor: Operator,
    desk: Pages,
    form: Literal["csv", "xlsx"] = "xlsx",
    refused: bool = False,
) -> Response:
    """What became of each row, as a file."""
    asked = {"refused": "true"} if refused else {}
    return desk.services.file("intake", f"/imports/{job}/lines.{form}", visitor, **asked)


@router.post("/imports/{job}/{act}")
def steer(job: str, act: str, visitor: Operator, given: Posted, desk: Pages) -> Response:
    """Take in what was tried, or take no more in."""
    if act not in ("start", "cancel"):
        raise Refused(404, "没有这样的操作。")
    try:
        desk.services.post("intake", f"/imports/{job}/{act}", visitor, {}, key=form_id_of(given))
    except Refused as refused:
        return _one(desk, visitor, job, refused.status, error=refused.detail)
    return see(f"/imports/{job}")
