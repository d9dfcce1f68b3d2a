"""Rows that hold from one day to another, without an overlap and without a gap."""

from collections.abc import Collection
from datetime import date, timedelta
from itertools import pairwise
from typing import Protocol, TypeVar

from services.router.policy.files import Row


class _Dated(Protocol):
    @property
    def valid_from(self) -> date | None: ...
    @property
    def valid_to(self) -> date | None: ...


Dated = TypeVar("Dated", bound=_Dated)


def in_order(
    rows: Collection[tuple[Row, Dated]], what: str, *, every_day: bool = True
) -> tuple[Dated, ...]:
    """The rows about one thing in order of time; `what` names it for people.

    Raises PolicyError where two hold on one day, where a day between them has none, and with
    `every_day` where the first has a beginning or the last an end.
    """
    ordered = sorted(rows, key=lambda pair: pair[1].valid_from or date.min)
    for (_, earlier), (row, later) in pairwise(ordered):
        if earlier.valid_to is None or later.valid_from is None:
            raise row.error(f"{what}的有效期重叠")
        if later.valid_from <= earlier.valid_to:
            raise row.error(f"{what}的有效期重叠")
        if later.valid_from - earlier.valid_to > timedelta(days=1):
            raise row.error(f"{what}的有效期有空档")
    if every_day:
        (row, first), (last_row, last) = ordered[0], ordered[-1]
        if first.valid_from is not None:
            raise row.error(f"{what}在{first.valid_from}之前没有规定")
        if last.valid_to is not None:
            raise last_row.error(f"{what}在{last.valid_to}之后没有规定")
    return tuple(entry for _, entry in ordered)
