"""Imports over HTTP: a table is uploaded, tried or taken in, and every row is accounted for."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Form, Path, Query, UploadFile
from fastapi.responses import StreamingResponse
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from services.intake.api import Desk, Intake
from services.intake.imports import ledger
from services.intake.imports.apart import HEADINGS_SECONDS, Busy, read_apart
from services.intake.imports.columns import MappingError, columns_of
from services.intake.imports.contract import (
    ImportView,
    LinePage,
    LineView,
    RefusalView,
    parsed_mapping,
)
from services.intake.imports.ledger import State
from services.intake.imports.sheets import SheetError
from services.intake.tables import ImportLineRow, ImportRow
from shared.auth import Principal
from shared.database import Reader
from shared.envelope import new_id
from shared.problems import Problem, not_found
from shared.redaction import redact
from shared.repeats import IdempotencyKey
from shared.roles import Role
from shared.sheets import DOCUMENTED, FileForm, as_file
from shared.text import clean
from shared.web import Caller, allow, api_router, takes

MOST_BYTES: Final = 64_000_000
"""Of a file: 100,000 rows of 200 characters each."""
PAGE: Final = 2000
WHOLE: Final = ("行号", "工单号", "字段", "未收原因")
ImportId = Annotated[str, Path(max_length=60)]

router = api_router(tags=["imports"])


@router.post("/imports", status_code=202)
@allow(Role.OPERATOR, Role.SYSTEM)
@takes(MOST_BYTES)
def take_table(
    caller: Caller,
    intake: Intake,
    file: Annotated[UploadFile, Form(description="CSV（UTF-8、GB18030）或 XLSX，首行是表头")],
    mapping: Annotated[
        str, Form(max_length=4000, description='字段和表头，如 {"text": "诉求内容"}；可省略')
    ] = "{}",
    dry_run: Annotated[bool, Form(description="只检查，不收件")] = False,
    idempotency_key: IdempotencyKey = None,
) -> ImportView:
    """Take a table of tickets in (批量导入), or try it: each row is accounted for.

    The same file under the same `Idempotency-Key` is one import.
    """
    try:
        with read_apart(file.file, HEADINGS_SECONDS) as sheet:
            headings = sheet.headings
        columns = columns_of(headings, parsed_mapping(mapping))
    except Busy:
        raise Problem(503, "正在读取别的表格，请稍后再传", headers={"Retry-After": "5"}) from None
    except SheetError as error:
        raise Problem(422, str(error), slug="unreadable-table") from None
    except MappingError as error:
        raise Problem(422, str(error), slug="bad-mapping") from None
    now = datetime.now(UTC)
    file.file.seek(0)
    digest = hashlib.file_digest(file.file, "sha256")  # type: ignore[arg-type]
    digest.update(repr((sorted(columns.items()), dry_run)).encode())
    key = idempotency_key and hashlib.sha256(idempotency_key.encode()).digest()
    row = ImportRow(
        id=new_id(now),
        subject=caller.subject,
        role=caller.role,
        key=key or None,
        digest=digest.digest(),
        name=redact(clean(file.filename or ""))[:100],
        columns=list(headings),
        mapping=dict(columns),
        dry_run=dry_run,
        state=State.RUNNING,
        created_at=now,
        changed_at=now,
    )
    with intake.database.writing() as writer:
        made = writer.execute(
            insert(ImportRow)
            .values(row.model_dump())
            .on_conflict_do_nothing()
            .returning(col(ImportRow.id))
        ).scalar()
        if made is not None:
            ledger.keep_file(writer, intake.vault, row.id, file.file)
    if made is None:
        return _repeated(intake, row)
    return _view(row)


@router.get("/imports")
@allow(Role.OPERATOR, Role.SYSTEM)
def imports(caller: Caller, intake: Intake) -> list[ImportView]:
    """The last fifty imports; a program sees its own."""
    query = _seen_by(caller).order_by(col(ImportRow.created_at).desc()).limit(50)
    with intake.database.reading() as reader:
        return list(map(_view, reader.execute(query).scalars()))


@router.get("/imports/{job}")
@allow(Role.OPERATOR, Role.SYSTEM)
def progress(job: ImportId, caller: Caller, intake: Intake) -> ImportView:
    """An import and how far it is."""
    with intake.database.reading() as reader:
        return _view(_found(reader, job, caller))


@router.get("/imports/{job}/lines")
@allow(Role.OPERATOR, Role.SYSTEM)
def lines(
    job: ImportId,
    caller: Caller,
    intake: Intake,
    refused: bool = False,
    after: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 500,
) -> LinePage:
    """What became of each row, or of the refused ones; a dry run knows only these."""
    with intake.database.reading() as reader:
        row = _found(reader, job, caller)
        found = ledger.lines_of(reader, row.id, after, limit, refused=refused)
    shown = [
        LineView(
            row=line.row, number=line.number, refusals=[RefusalView(**r) for r in line.refusals]
        )
        for line in found
    ]
    return LinePage(items=shown, next=found[-1].row if len(found) == limit else None)


@router.get("/imports/{job}/lines.{form}", response_class=StreamingResponse, responses=DOCUMENTED)
@allow(Role.OPERATOR, Role.SYSTEM)
def lines_as_file(
    job: ImportId,
    form: FileForm,
    caller: Caller,
    intake: Intake,
    refused: bool = False,
) -> StreamingResponse:
    """The same as a table for a spreadsheet; no cell of it is a formula."""
    with intake.database.reading() as reader:
        row = _found(reader, job, caller)
    table = _table(intake, row.id, refused=refused)
    return as_file(form, f"import-{row.id}", "导入结果", table)


@router.post("/imports/{job}/start", status_code=202)
@allow(Role.OPERATOR, Role.SYSTEM)
def start(job: ImportId, caller: Caller, intake: Intake) -> ImportView:
    """Take in what a dry run has tried, without a second upload."""
    with intake.database.writing() as writer:
        row = _found(writer, job, caller, held=True)
        if not row.dry_run or row.state != State.DONE or not ledger.has_file(writer, row.id):
            raise Problem(409, "只有试导完成、文件还在的导入可以开始", slug="not-tried")
        ledger.start_over(row, writer, datetime.now(UTC))
    return _view(row)


@router.post("/imports/{job}/cancel", status_code=202)
@allow(Role.OPERATOR, Role.SYSTEM)
def cancel(job: ImportId, caller: Caller, intake: Intake) -> ImportView:
    """Take no more rows in. What was taken in stays; the lines say which."""
    with intake.database.writing() as writer:
        row = _found(writer, job, caller, held=True)
        if row.state != State.RUNNING:
            raise Problem(409, "导入已经结束", slug="import-ended")
        row.state, row.changed_at = State.CANCELLED.value, datetime.now(UTC)
        ledger.forget_file(writer, row.id)
    return _view(row)


def _seen_by(caller: Principal) -> SelectOfScalar[ImportRow]:
    """Operators share their imports; a program has its own."""
    query = select(ImportRow).where(ImportRow.role == caller.role)
    return (
        query if caller.role is Role.OPERATOR else query.where(ImportRow.subject == caller.subject)
    )


def _found(reader: Reader, job: str, caller: Principal, *, held: bool = False) -> ImportRow:
    """An import. Raises the same 404 for none and for one that is not theirs."""
    try:
        wanted = UUID(job)
    except ValueError:
        raise not_found() from None
    query = _seen_by(caller).where(col(ImportRow.id) == wanted)
    row = reader.execute(query.with_for_update() if held else query).scalar()
    if row is None:
        raise not_found()
    found: ImportRow = row
    return found


def _repeated(intake: Desk, row: ImportRow) -> ImportView:
    query = select(ImportRow).where(
        ImportRow.subject == row.subject, ImportRow.role == row.role, ImportRow.key == row.key
    )
    with intake.database.reading() as reader:
        known = reader.execute(query).scalars().one()
    if known.digest != row.digest:
        detail = "这个 Idempotency-Key 已用于另一个请求，这次没有执行；请换一个"
        raise Problem(422, detail, slug="idempotency-key-reused")
    return _view(known)


def _view(row: ImportRow) -> ImportView:
    used = set(row.mapping.values())
    return ImportView(
        id=str(row.id),
        name=row.name,
        state=State(row.state),
        dry_run=row.dry_run,
        mapping={field: row.columns[column] for field, column in row.mapping.items()},
        unused=[name for at, name in enumerate(row.columns) if name and at not in used],
        rows=row.rows,
        done=row.accepted + row.refused,
        accepted=row.accepted,
        refused=row.refused,
        reason=row.reason,
        created_by=row.subject,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def _shown(line: ImportLineRow) -> LineView:
    refusals = [RefusalView(**refusal) for refusal in line.refusals]
    return LineView(row=line.row, number=line.number, refusals=refusals)


def _table(intake: Desk, job: UUID, *, refused: bool) -> Iterator[Sequence[str]]:
    yield WHOLE
    after = 0
    while True:
        with intake.database.reading() as reader:
            found = ledger.lines_of(reader, job, after, PAGE, refused=refused)
        for line in found:
            yield from _cells(line)
        if len(found) < PAGE:
            return
        after = found[-1].row


def _cells(line: ImportLineRow) -> Iterator[Sequence[str]]:
    for refusal in line.refusals or [{"field": "", "message": ""}]:
        yield str(line.row), line.number or "", refusal["field"], refusal["message"]
