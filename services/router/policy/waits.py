"""The table of waits: how long a case may wait for whoever decides, rules, checks or calls."""

from pathlib import Path
from typing import Final

from services.router.domain.cases.records import Wait, Waits
from services.router.domain.policy import PolicyError
from services.router.policy.files import read_table, refuse_duplicates
from shared.calendar import Limit, LimitUnit

COLUMNS: Final = ("wait", "within", "source")


def load_waits(directory: Path) -> Waits:
    """The limit of every wait.

    Raises PolicyError for a wait that is unknown, repeated or left out, for a limit of
    nothing, and for a review that is not limited in calendar days.
    """
    rows = read_table(directory / "waits.csv", COLUMNS)
    refuse_duplicates(rows, "wait")
    found: dict[Wait, Limit] = {}
    for row in rows:
        wait = Wait(row.known("wait", tuple(Wait), "等待环节"))
        row.required("within")
        limit = row.limit("within")
        if limit is None or limit.amount == 0:
            raise row.error("时限不能为0")
        if wait is Wait.REVIEW and limit.unit is not LimitUnit.CALENDAR_DAY:
            raise row.error("复核时限须以日历日（cd）计")
        found[wait] = limit
    for wait in Wait:
        if wait not in found:
            raise PolicyError("waits.csv", 0, f"缺少“{wait}”的时限")
    return tuple(found.items())
