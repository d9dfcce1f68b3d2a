"""The router's policy: units, responsibility and gazetteer, as data with validity dates.

A policy is a directory of CSV tables that a domain expert can edit. It is loaded whole and
checked at start; `version` is a hash of the files, which tickets keep. `valid_from` is the
first day a row holds and `valid_to` its last, in Asia/Shanghai; empty means without end.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.domain.desks import DESKS
from services.router.domain.policy import STREET, Policy, PolicyError, Responsibility, Unit
from services.router.policy.boundaries import BOUNDARIES, load_boundaries
from services.router.policy.dangers import load_responses
from services.router.policy.duty_phones import load_duty_phones
from services.router.policy.files import Row, read_table, refuse_duplicates
from services.router.policy.flag_words import load_flag_words
from services.router.policy.places import regime_of
from services.router.policy.registers import load_gazetteer
from services.router.policy.units import load_units, validity
from services.router.policy.validity import in_order
from services.router.policy.waits import load_waits
from services.router.policy.whistle_kinds import load_whistle_kinds
from shared.calendar import Limit
from shared.events import ClockKind, Disposition, Priority, Regime
from shared.taxonomy import every_leaf

POLICY_DIRECTORY: Final = Path(__file__).with_name("tables")
RESPONSIBILITY: Final = (
    *("leaf", "regime", "disposition", "lead", "assist", "needs_place", "facility"),
    *("accept", "contact", "resolve", "valid_from", "valid_to", "source"),
)
URGENT_LIMITS: Final = ("priority", "accept", "source")
DISPOSITIONS: Final = (
    Disposition.DISPATCH,
    Disposition.MANUAL_DISPATCH,
    Disposition.REDIRECT_OUT,
)

LIMITED: Final = (ClockKind.ACCEPT, ClockKind.CONTACT, ClockKind.RESOLVE)
"""The clocks a leaf's row sets; the waits in between are the same for all."""


def load_policy(directory: Path) -> Policy:
    """The policy in a directory, checked.

    Raises PolicyError naming file, line and reason: an unknown unit, leaf or place, a unit
    not valid while a row needs it, a gap or an overlap of validity, a bad limit, a
    duplicate, a missing file or a wrong header.
    """
    units = load_units(directory)
    for slug in DESKS:
        if slug not in units:
            raise PolicyError("units.csv", 0, f"缺少单位“{slug}”")
    streets = {unit.slug: unit.name for unit in units.values() if unit.kind == "street"}
    return Policy(
        units=units,
        responsibility=_responsibility(directory, units),
        urgent_accept=_urgent_accept(directory),
        waits=load_waits(directory),
        dangers=load_responses(directory, units),
        gazetteer=load_gazetteer(directory, streets, units.keys()),
        boundaries=load_boundaries(directory, streets),
        flag_words=load_flag_words(directory),
        whistles=load_whistle_kinds(directory),
        duty_phones=load_duty_phones(directory, units),
        version=_version(directory),
    )


def _responsibility(
    directory: Path, units: Mapping[str, Unit]
) -> Mapping[str, tuple[Responsibility, ...]]:
    """The rows of each leaf, those of a regime before the general ones."""
    leaves = every_leaf()
    found: dict[tuple[str, Regime | None], list[tuple[Row, Responsibility]]] = defaultdict(list)
    for row in read_table(directory / "responsibility.csv", RESPONSIBILITY):
        leaf = row.known("leaf", leaves, "事项")
        entry = _responsibility_row(row, leaves[leaf].name, units)
        found[leaf, entry.regime].append((row, entry))
    for leaf in leaves:
        if (leaf, None) not in found:
            raise PolicyError("responsibility.csv", 0, f"事项“{leaf}”没有责任单位")
    return MappingProxyType(
        {
            leaf: tuple(
                entry
                for regime in (*Regime, None)
                for entry in _in_order(leaf, found[leaf, regime], regime)
            )
            for leaf in leaves
        }
    )


def _in_order(
    leaf: str, rows: list[tuple[Row, Responsibility]], regime: Regime | None
) -> tuple[Responsibility, ...]:
    """A leaf's rows; a regime may have none, and the general ones hold before and after its."""
    return in_order(rows, f"事项“{leaf}”", every_day=regime is None) if rows else ()


def _responsibility_row(row: Row, leaf_name: str, units: Mapping[str, Unit]) -> Responsibility:
    valid_from, valid_to = validity(row)
    lead = row.known("lead", (*units, STREET), "单位")
    assist = row.parts("assist")
    needs_place = row.yes_or_no("needs_place")
    for slug in assist:
        if slug not in units and slug != STREET:
            raise row.error(f"未知的单位“{slug}”")
    if len({lead, *assist}) != len(assist) + 1:
        raise row.error("主责与协办单位重复")
    if lead == STREET and not needs_place:
        raise row.error("主责为属地街道的事项必须needs_place=yes")
    for slug in {lead, *assist} - {STREET}:
        if not units[slug].covers(valid_from, valid_to):
            raise row.error(f"单位“{slug}”在此期间无效")
    disposition = Disposition(row.known("disposition", DISPOSITIONS, "处置方式"))
    limits = tuple((kind, limit) for kind in LIMITED if (limit := row.limit(kind.value)))
    if disposition is not Disposition.REDIRECT_OUT and not row.text(ClockKind.RESOLVE.value):
        raise row.error("须有办理时限，否则工单可能无人过问")
    return Responsibility(
        leaf=row.text("leaf"),
        leaf_name=leaf_name,
        regime=regime_of(row),
        disposition=disposition,
        lead=lead,
        assist=assist,
        needs_place=needs_place,
        facility=row.yes_or_no("facility"),
        limits=limits,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _urgent_accept(directory: Path) -> Mapping[Priority, Limit]:
    rows = read_table(directory / "urgent_limits.csv", URGENT_LIMITS)
    refuse_duplicates(rows, "priority")
    limits: dict[Priority, Limit] = {}
    for row in rows:
        row.required("accept")
        limit = row.limit(ClockKind.ACCEPT.value)
        if limit is not None:
            limits[Priority(row.known("priority", tuple(Priority), "优先级"))] = limit
    return MappingProxyType(limits)


def _version(directory: Path) -> str:
    """Twelve hexadecimal digits that change with any table."""
    digest = hashlib.sha256()
    for path in sorted((*directory.glob("*.csv"), *directory.glob(BOUNDARIES))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
