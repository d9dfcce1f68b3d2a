"""What the router decides by: units, responsibility, limits and words, as data with validity.

The tables are read and checked by `services/router/policy/`; here is what they mean.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.router.domain.cases.records import Limits, Waits
from services.router.domain.dangers import Response
from services.router.domain.places.boundaries import Area
from services.router.domain.places.gazetteer import Gazetteer
from services.router.domain.places.numbers import chinese_number
from services.router.domain.whistles.records import KindTerms
from shared.calendar import Limit
from shared.events import ClockKind, Disposition, Priority, Regime, WhistleKind

STREET: Final = "street"
"""Stands in a table for the street where it happens."""

COLLECTIVE: Final = "collective"
"""集体: several households speak, or mean to come together."""
REPEAT: Final = "repeat"
"""重复: the caller has reported it before."""
LONGSTANDING: Final = "longstanding"
"""长期: it has gone on for months or years."""
NEEDS_FUNDS: Final = "needs_funds"
"""要钱要政策: it cannot be solved without money or a decision."""


class PolicyError(Exception):
    """A policy file contradicts itself or the vocabulary.

    `sentence` is for the person who edits the file; `line` counts the header as 1 and is 0
    where the fault is in no single row.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        self.file, self.line, self.reason = file, line, reason
        self.sentence = f"{file}第{line}行：{reason}" if line else f"{file}：{reason}"
        super().__init__(self.sentence)


@dataclass(frozen=True, slots=True)
class Unit:
    """A street, department, centre or utility that can be responsible."""

    slug: str
    name: str
    kind: str
    division_code: str
    valid_from: date | None
    valid_to: date | None

    @property
    def is_street(self) -> bool:
        return self.kind == STREET

    def holds(self, day: date) -> bool:
        """Whether the unit exists on a day."""
        return holds(self.valid_from, self.valid_to, day)

    def covers(self, first: date | None, last: date | None) -> bool:
        """Whether the unit is there from the first day to the last, either without end."""
        return self.holds(first or date.min) and self.holds(last or date.max)


@dataclass(frozen=True, slots=True)
class DutyPhone:
    """A number at which a unit can be rung; `hours` says when, empty for always."""

    unit: str
    phone: str
    hours: str
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Responsibility:
    """Who answers for a leaf from one day to another, and by when.

    `lead` is a unit's slug or STREET, which may stand among `assist` too. A leaf that does
    not `needs_place` can be dispatched without knowing where it is. A row with a `regime`
    goes before the general one where the compound has that regime. `facility`: whoever owns
    the facilities of a point (设施权属) goes before the lead.
    """

    leaf: str
    leaf_name: str
    regime: Regime | None
    disposition: Disposition
    lead: str
    assist: tuple[str, ...]
    needs_place: bool
    facility: bool
    limits: Limits
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class FlagWord:
    """A word that says more of a ticket than its matter: many callers, again, for years, funds.

    `letters` are those that every text with this word holds.
    """

    flag: str
    word: str
    why: str
    letters: frozenset[str]
    pattern: re.Pattern[str]

    def said_in(self, text: str) -> str | None:
        """What of a normalised text is this word, None where it is not said."""
        for match in self.pattern.finditer(text):
            if all(_several(number) for number in match.groups()):
                return match[0]
        return None


@dataclass(frozen=True, slots=True)
class WhistleKinds:
    """The terms of every kind of whistle, while the violation is going on and not."""

    by_kind: Mapping[tuple[WhistleKind, bool], KindTerms]

    def terms(self, kind: WhistleKind, *, in_progress: bool) -> KindTerms:
        """The terms of a kind, while the violation is going on or not."""
        return self.by_kind[kind, in_progress]


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything routing decides by; `version` is a hash of the tables it was read from."""

    units: Mapping[str, Unit]
    responsibility: Mapping[str, tuple[Responsibility, ...]]
    urgent_accept: Mapping[Priority, Limit]
    waits: Waits
    dangers: Mapping[str, tuple[Response, ...]]
    gazetteer: Gazetteer
    boundaries: tuple[Area, ...]
    flag_words: tuple[FlagWord, ...]
    whistles: WhistleKinds
    duty_phones: tuple[DutyPhone, ...]
    version: str

    def phone(self, unit: str, day: date) -> str | None:
        """The duty phones of a unit on a day, with their hours; None where none is known."""
        known = [
            f"{one.phone}（{one.hours}）" if one.hours else one.phone
            for one in self.duty_phones
            if one.unit == unit and holds(one.valid_from, one.valid_to, day)
        ]
        return "；".join(known) or None

    def responsible(self, leaf: str, day: date, regime: Regime | None = None) -> Responsibility:
        """The row for a leaf on a day: the regime's own where there is one, else the general.

        Raises PolicyError for a leaf no row knows.
        """
        for row in self.responsibility.get(leaf, ()):
            if row.regime in (None, regime) and holds(row.valid_from, row.valid_to, day):
                return row
        raise PolicyError("responsibility.csv", 0, f"未知的事项“{leaf}”")

    def response(self, kind: str, day: date) -> Response:
        """What a kind of danger calls for on a day. Raises PolicyError for an unknown kind."""
        for response in self.dangers.get(kind, ()):
            if holds(response.valid_from, response.valid_to, day):
                return response
        raise PolicyError("dangers.csv", 0, f"未知的险情“{kind}”")

    def responses(self, day: date) -> Mapping[str, Response]:
        """What every kind of danger calls for on a day."""
        return {kind: self.response(kind, day) for kind in self.dangers}

    def limits(self, row: Responsibility, priority: Priority) -> Limits:
        """The row's limits; danger is accepted in its priority's time (handbook section 4)."""
        urgent = self.urgent_accept.get(priority)
        if urgent is None:
            return row.limits
        others = (limit for limit in row.limits if limit[0] is not ClockKind.ACCEPT)
        return ((ClockKind.ACCEPT, urgent), *others)


def flags_said(words: Iterable[FlagWord], text: str) -> Iterator[tuple[str, str]]:
    """Each flag that a normalised text earns, once, with the reason: the words that earn it."""
    found: set[str] = set()
    letters = frozenset(text)
    for word in words:
        if (
            word.letters <= letters  # rules out almost all, at a fraction of a search's cost
            and word.flag not in found
            and (said := word.said_in(text))
        ):
            found.add(word.flag)
            yield word.flag, f"“{said}”：{word.why}"


def holds(first: date | None, last: date | None, day: date) -> bool:
    """Whether a day lies between two, either of which may be open."""
    return (first is None or first <= day) and (last is None or day <= last)


def _several(number: str) -> bool:
    return (int(number) if number.isascii() else chinese_number(number)) > 1
