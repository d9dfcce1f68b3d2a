"""The table of dangers: for each kind whom to call, what to dial and what to tell the caller."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.domain.dangers import Response
from services.router.domain.policy import STREET, PolicyError, Unit
from services.router.policy.files import Row, read_table
from services.router.policy.units import validity
from services.router.policy.validity import in_order
from shared.dangers import load_dangers

FILE: Final = "dangers.csv"
COLUMNS: Final = ("kind", "call", "dial", "tell", "valid_from", "valid_to", "source")


def load_responses(
    directory: Path, units: Mapping[str, Unit]
) -> Mapping[str, tuple[Response, ...]]:
    """What each kind of danger calls for, by kind, in order of validity.

    Raises PolicyError naming file, line and reason: an unknown kind or unit, nobody to call
    or nothing to tell, a kind that has no row for every day, or more than one.
    """
    found: dict[str, list[tuple[Row, Response]]] = defaultdict(list)
    for row in read_table(directory / FILE, COLUMNS):
        response = _response(row, units)
        found[response.kind.slug].append((row, response))
    for kind in load_dangers():
        if kind not in found:
            raise PolicyError(FILE, 0, f"险情“{kind}”没有处置方式")
    return MappingProxyType({kind: in_order(rows, f"险情“{kind}”") for kind, rows in found.items()})


def _response(row: Row, units: Mapping[str, Unit]) -> Response:
    dangers = load_dangers()
    kind = dangers[row.known("kind", dangers, "险情")]
    valid_from, valid_to = validity(row)
    row.required("call")
    row.required("source")
    call = row.parts("call")
    for slug in call:
        if slug != STREET and slug not in units:
            raise row.error(f"未知的单位“{slug}”")
        if slug != STREET and not units[slug].covers(valid_from, valid_to):
            raise row.error(f"单位“{slug}”在此期间无效")
    if len(set(call)) != len(call) or set(call) == {STREET}:
        raise row.error("呼叫单位重复，或只有属地街道")
    return Response(kind, call, row.parts("dial"), row.required("tell"), valid_from, valid_to)
