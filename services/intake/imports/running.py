"""Taking a table in: one batch after the other, by one worker, from where the last one stopped.

Each row is a ticket under a key of its own, so that a batch that a crash has repeated makes no
ticket twice. A table is read through once before the first ticket: one that cannot be read to
its end takes nothing in. Calls go first: an import waits while too many of its tickets have
not been classified.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Final
from uuid import UUID, uuid4

import structlog

from services.intake.contract import Accepted, Submission
from services.intake.drafts import draft
from services.intake.group_commit import GroupCommit
from services.intake.imports import ledger
from services.intake.imports.apart import Busy, read_apart
from services.intake.imports.columns import Refusal, submission
from services.intake.imports.ledger import Line
from services.intake.imports.sheets import Row, Sheet, SheetError
from services.intake.tables import ImportRow
from services.intake.vault import Vault
from shared.database import Database
from shared.problems import Problem
from shared.sealing import SealError

MOST_ROWS: Final = 100_000
BATCH: Final = 200
WINDOW: Final = 1000
AHEAD: Final = 400
"""An import waits while so many of its last WINDOW tickets have not been classified."""
LOOK_SECONDS: Final = 2.0
"""How often an import that is being counted is looked at: whether it was cancelled."""
UNREADABLE: Final = "文件读不出来了，请重新上传"

log = structlog.get_logger()


class Lagging(Exception):
    """The batch was not taken, or not wholly: it is to be tried again while it is wanted."""


class Importer:
    """The imports of one process; `step` takes the next batch in."""

    def __init__(
        self, database: Database, vault: Vault, commit: GroupCommit, *, ahead: int = AHEAD
    ) -> None:
        self._database = database
        self._vault = vault
        self._commit = commit
        self._ahead = ahead
        self._worker = uuid4()
        self._reading: tuple[UUID, Sheet, int] | None = None
        self._files = ExitStack()
        self._runner: asyncio.Runner | None = None
        self._at_work = False

    def step(self) -> bool:
        """Take one batch in; whether there may be more to do at once."""
        now = datetime.now(UTC)
        with self._database.writing() as writer:
            job = ledger.lease(writer, self._worker, now)
        self._at_work = job is not None
        if job is None:
            self._let_go()
            return False
        try:
            if job.rows is None:
                return self._count(job)
            return self._take(job)
        except (SheetError, SealError) as error:
            reason = str(error) if isinstance(error, SheetError) else UNREADABLE
            with self._database.writing() as writer:
                ledger.fail(writer, job, reason, now)
            self._let_go()
            return True
        except (Lagging, Busy):
            self._let_go()
            return False

    def close(self) -> None:
        """Give up what this process has, for another to go on."""
        self._let_go()
        if self._runner is not None:
            self._runner.close()
        self._commit.close()
        if self._at_work:
            with self._database.writing() as writer:
                ledger.give_back(writer, self._worker)

    def _count(self, job: ImportRow) -> bool:
        rows, looked = 0, time.monotonic()
        for _ in self._opened(job).rows:
            rows += 1
            if rows > MOST_ROWS:
                raise SheetError(f"一次最多导入 {MOST_ROWS} 行，请分成几个文件")
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                if not self._still(job):
                    raise Lagging
        with self._database.writing() as writer:
            ledger.counted(writer, job.id, rows, datetime.now(UTC))
        return True

    def _still(self, job: ImportRow) -> bool:
        with self._database.writing() as writer:
            return ledger.prolong(writer, job, datetime.now(UTC))

    def _take(self, job: ImportRow) -> bool:
        if self._is_far_ahead(job):
            return False
        sheet = self._sheet(job)
        batch = list(islice(sheet.rows, BATCH))
        parsed = [(number, submission(cells, job.mapping)) for number, cells in batch]
        lines = _judged(parsed) if job.dry_run else self._stored(job, parsed)
        ended = len(batch) < BATCH
        with self._database.writing() as writer:
            if not ledger.advance(writer, job, lines, datetime.now(UTC), ended=ended):
                raise Lagging
        last = lines[-1].row if lines else job.position
        self._reading = (job.id, sheet, last)
        if ended:
            self._let_go()
        return True

    def _is_far_ahead(self, job: ImportRow) -> bool:
        if job.dry_run:
            return False
        with self._database.reading() as reader:
            return ledger.ahead(reader, job.id, job.position, WINDOW) > self._ahead

    def _sheet(self, job: ImportRow) -> Sheet:
        """The table, with the rows up to the job's position read already."""
        if self._reading is not None:
            known, sheet, position = self._reading
            if (known, position) == (job.id, job.position):
                return sheet
        sheet = self._opened(job)
        return Sheet(sheet.headings, _after(sheet, job.position))

    def _opened(self, job: ImportRow) -> Sheet:
        self._let_go()
        with self._database.reading() as reader:
            file = self._files.enter_context(ledger.kept_file(reader, self._vault, job.id))
        return self._files.enter_context(read_apart(file))

    def _stored(
        self, job: ImportRow, parsed: Sequence[tuple[int, Submission | list[Refusal]]]
    ) -> list[Line]:
        now = datetime.now(UTC)
        drafts = {
            number: draft(said, job.subject, f"import:{job.id}:{number}", now)
            for number, said in parsed
            if isinstance(said, Submission)
        }

        async def store() -> Mapping[int, Accepted | BaseException]:
            waiting = [self._commit.submit(item) for item in drafts.values()]
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            return dict(zip(drafts, answers, strict=True))

        if self._runner is None:
            self._runner = asyncio.Runner()
        answers = self._runner.run(store())
        return [
            _line(number, answers[number])
            if isinstance(said, Submission)
            else Line(number, refusals=said)
            for number, said in parsed
        ]

    def _let_go(self) -> None:
        self._reading = None
        self._files.close()


def _after(sheet: Sheet, position: int) -> Iterator[Row]:
    return (row for row in sheet.rows if row[0] > position)


def _judged(parsed: Sequence[tuple[int, Submission | list[Refusal]]]) -> list[Line]:
    return [
        Line(number, refusals=() if isinstance(said, Submission) else said)
        for number, said in parsed
    ]


def _line(number: int, answer: Accepted | BaseException) -> Line:
    """What became of a row that was sound. Raises Lagging where it may yet be stored."""
    match answer:
        case Accepted():
            return Line(number, answer.number)
        case Problem(status=HTTPStatus.SERVICE_UNAVAILABLE):
            raise Lagging
        case Problem():
            field = "external_id" if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY else ""
            return Line(number, refusals=[Refusal(field, answer.detail)])
    raise answer
