"""What the policy holds for each kind of whistle: signers, mandatory fields, limits.

The table is `policy/whistle_kinds.csv`, from handbook section 2. An empty `in_progress` holds
whether the violation is going on or not; an empty limit has no clock, an empty `handle` means
the ticket's own deadline.
"""

from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.domain.policy import PolicyError, WhistleKinds
from services.router.domain.whistles.records import KindTerms
from services.router.domain.whistles.states import SUMMONS_FIELD_NAMES
from services.router.policy.files import Row, read_table
from shared.calendar import Limit
from shared.events import WhistleKind

FILE: Final = "whistle_kinds.csv"
COLUMNS: Final = (
    *("kind", "in_progress", "signers", "mandatory"),
    *("sign", "check", "acknowledge", "arrive", "handle", "source"),
)


def load_whistle_kinds(directory: Path) -> WhistleKinds:
    """The table in a policy directory, checked.

    Raises PolicyError naming file, line and reason: an unknown kind, field or limit, a kind
    that is missing or stands twice, nobody who may sign, or an emergency with mandatory
    fields or unlimited check, which would be a veto.
    """
    found: dict[tuple[WhistleKind, bool], KindTerms] = {}
    for row in read_table(directory / FILE, COLUMNS):
        terms = _terms(row)
        cases = (row.yes_or_no("in_progress"),) if row.text("in_progress") else (True, False)
        for in_progress in cases:
            if (terms.kind, in_progress) in found:
                raise row.error(f"“{terms.kind}”重复")
            found[terms.kind, in_progress] = terms
    for kind in WhistleKind:
        if not {(kind, True), (kind, False)} <= found.keys():
            raise PolicyError(FILE, 0, f"缺少哨的类别“{kind}”，或in_progress未列全")
    return WhistleKinds(MappingProxyType(found))


def _terms(row: Row) -> KindTerms:
    kind = WhistleKind(row.known("kind", tuple(WhistleKind), "哨的类别"))
    if not row.parts("signers"):
        raise row.error("“signers”不能为空")
    row.required("source")
    mandatory = row.parts("mandatory")
    for name in mandatory:
        if name not in SUMMONS_FIELD_NAMES:
            raise row.error(f"未知的必填内容“{name}”")
    if mandatory and kind is WhistleKind.EMERGENCY:
        raise row.error("应急处置哨不得退回，不能有必填内容")
    if kind is WhistleKind.EMERGENCY and not row.text("check"):
        raise row.error("应急处置哨须有核派时限，逾时即派")
    return KindTerms(
        kind=kind,
        signers=row.parts("signers"),
        mandatory=mandatory,
        sign=_limit_or_none(row, "sign"),
        check=_limit_or_none(row, "check"),
        acknowledge=_limit(row, "acknowledge"),
        arrive=_limit(row, "arrive"),
        handle=_limit_or_none(row, "handle"),
    )


def _limit(row: Row, column: str) -> Limit:
    row.required(column)
    limit = _limit_or_none(row, column)
    assert limit is not None
    return limit


def _limit_or_none(row: Row, column: str) -> Limit | None:
    limit = row.limit(column)
    if limit is not None and limit.amount == 0:
        raise row.error(f"时限“{limit}”不能为零")
    return limit
