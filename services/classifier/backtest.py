"""What another model would say of tickets that are stored already: which would move, and where.

Tickets are read newest first and a batch at a time, so memory does not grow with their
number. What a person has decided would not move; there the person is the referee.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import col, select

from services.classifier.classify import Verdict, classify_many
from services.classifier.compare import percent
from services.classifier.handling import PERSON
from services.classifier.measures import Share
from services.classifier.model import Model
from services.classifier.tables import VerdictRow
from shared.database import Reader
from shared.events import Classification, Priority, is_emergency
from shared.taxonomy import every_leaf

BATCH: Final = 500
"""Tickets in memory at once."""
EXAMPLES: Final = 3
"""Tickets named for each move."""
NAMED: Final = 20
"""Emergencies gained or lost that are named."""


@dataclass
class Backtest:
    """What would change, counted ticket by ticket; the numbers are those of the newest."""

    tickets: int = 0
    decided: int = 0
    decided_alike: int = 0
    abstained: int = 0
    would_abstain: int = 0
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    priorities: Counter[tuple[Priority, Priority]] = field(default_factory=Counter)
    gained: int = 0
    lost: int = 0
    gained_numbers: list[str] = field(default_factory=list)
    lost_numbers: list[str] = field(default_factory=list)

    def add(self, stored: Classification, verdict: Verdict) -> None:
        """Count one ticket."""
        if stored.decided_by == PERSON:
            self.decided += 1
            self.decided_alike += stored.leaf == verdict.leaf
            return
        number = stored.ticket.number
        self.tickets += 1
        self.abstained += stored.abstained
        self.would_abstain += verdict.abstained
        if stored.leaf != verdict.leaf:
            move = stored.leaf, verdict.leaf
            self.moved[move] += 1
            note(self.examples.setdefault(move, []), number, EXAMPLES)
        if stored.priority is not verdict.priority:
            self.priorities[stored.priority, verdict.priority] += 1
        before, after = is_emergency(stored.priority), is_emergency(verdict.priority)
        if after and not before:
            self.gained += 1
            note(self.gained_numbers, number, NAMED)
        if before and not after:
            self.lost += 1
            note(self.lost_numbers, number, NAMED)


def note(numbers: list[str], number: str, most: int) -> None:
    """Name a ticket among the first few."""
    if len(numbers) < most:
        numbers.append(number)


def backtest(reader: Reader, model: Model, last: int) -> Backtest:
    """Let a model judge the newest `last` tickets, as they now read."""
    found = Backtest()
    for batch in newest(reader, last):
        texts = [(stored.ticket.title, stored.ticket.text) for stored in batch]
        for stored, verdict in zip(batch, classify_many(model, texts), strict=True):
            found.add(stored, verdict)
    return found


def newest(reader: Reader, last: int) -> Iterator[Sequence[Classification]]:
    """What was last said of the newest tickets, by number, in batches from the server."""
    query = (
        select(col(VerdictRow.classification))
        .order_by(col(VerdictRow.number).desc())
        .limit(last)
        .execution_options(yield_per=BATCH)
    )
    for rows in reader.execute(query).scalars().partitions():
        yield [Classification.model_validate(stored) for stored in rows]


def render(found: Backtest, version: str) -> str:
    """The findings as a page for people."""
    names = every_leaf()
    moved = Share(sum(found.moved.values()), found.tickets)
    alike = Share(found.decided_alike, found.decided)
    lines = [
        f"模型 {version} 重判 {found.tickets + found.decided} 件",
        f"会变动   {moved.hits} 件（{percent(moved)}）",
        f"弃权     原 {percent(Share(found.abstained, found.tickets))}，"
        f"现 {percent(Share(found.would_abstain, found.tickets))}",
        f"人工判定 {found.decided} 件不变，模型与人一致 {percent(alike)}",
        "",
        "事项变动（原 → 现）",
        *(
            f"  {n:5d}  {names[leaf].name} → {names[to].name}"
            f"  如 {'、'.join(found.examples[leaf, to])}"
            for (leaf, to), n in found.moved.most_common()
        ),
        "",
        "优先级变动（原 → 现）",
        *(f"  {n:5d}  {was} → {now}" for (was, now), n in sorted(found.priorities.items())),
        "",
        f"多出的紧急（P0、P1） {found.gained} 件  {'、'.join(found.gained_numbers)}",
        f"少了的紧急（P0、P1） {found.lost} 件  {'、'.join(found.lost_numbers)}",
    ]
    return "\n".join(lines)
