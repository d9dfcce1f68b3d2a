"""Lists of cases as tables for a spreadsheet: what the list shows its reader, in Chinese."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from fastapi.responses import StreamingResponse

from services.router.domain.clocks import CITIZEN
from services.router.http.case_lists import READERS, CaseSummary, WantedCases, summaries
from services.router.http.centre import Centre, Router
from services.router.storage.case_search import Wanted, find_numbers, still_found
from shared.auth import Principal
from shared.names import CLOCK_NAMES, DUTY_NAMES, FLAG_NAMES, PRIORITY_NAMES
from shared.sheets import DOCUMENTED, MOST_ROWS, ROWS_AT_ONCE, FileForm, as_file, bounded, moment
from shared.web import Caller, allow, api_router

HEADINGS: Final = (
    *("工单号", "状态", "紧急程度", "事项", "街道", "地点", "承办单位", "诉求内容", "标记", "险情"),
    *("本单位职责", "受理时间", "最近时限", "由谁负责", "到期时间", "是否超期"),
)

router = api_router(tags=["cases"])


@router.get("/cases/list.{form}", response_class=StreamingResponse, responses=DOCUMENTED)
@allow(*READERS)
def cases_as_file(
    form: FileForm, centre: Router, caller: Caller, wanted: WantedCases
) -> StreamingResponse:
    """The list `GET /cases` as a whole, as a table for a spreadsheet; no cell is a formula.

    The same filters, the same cases, in Chinese. More than 20,000 cases are refused (422).
    """
    with centre.database.reading() as reader:
        numbers = bounded(find_numbers(reader, replace(wanted, limit=MOST_ROWS)))
    return as_file(form, "cases", "工单", _rows(centre, caller, wanted, numbers))


def _rows(
    centre: Centre, caller: Principal, wanted: Wanted, numbers: Sequence[str]
) -> Iterator[Sequence[str]]:
    """Each case once, as it stands when it is read; one that is no longer wanted is left out."""
    yield HEADINGS
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        with centre.database.reading() as reader:
            found = still_found(reader, wanted, numbers[start : start + ROWS_AT_ONCE])
            cases = summaries(centre, reader, found, caller)
        for case in cases:
            yield _cells(centre, case)


def _cells(centre: Centre, case: CaseSummary) -> Sequence[str]:
    due = case.due
    owner = ""
    if due is not None:
        unit = centre.rules.policy.units.get(due.owner)
        owner = "来电人" if due.owner == CITIZEN else unit.name if unit else due.owner
    return (
        case.number,
        case.state_name,
        f"{case.priority} {PRIORITY_NAMES[case.priority]}",
        case.leaf_name,
        case.street_name or "",
        case.place,
        case.lead_name or "",
        case.text,
        "、".join(FLAG_NAMES.get(flag, flag) for flag in case.flags),
        "、".join(case.alarms),
        DUTY_NAMES.get(case.duty or "", ""),
        moment(case.opened_at),
        CLOCK_NAMES[due.kind] if due else "",
        owner,
        moment(due.due_at if due else None),
        "" if due is None else "是" if due.overdue else "否",
    )
