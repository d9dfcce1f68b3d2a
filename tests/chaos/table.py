"""The table of a run: a line for each fault, over all of its rounds."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from tests.chaos.findings import Wrong
from tests.chaos.rounds import Outcome

HEADINGS: Final = (
    *("fault", "rounds", "accepted", "untaken", *Wrong),
    *("recovered s, median", "longest", "readiness honest"),
)


def table(outcomes: Sequence[Outcome]) -> str:
    """The table, and below it whatever was wrong."""
    names = dict.fromkeys(outcome.fault for outcome in outcomes)
    rows = [_row(name, [each for each in outcomes if each.fault == name]) for name in names]
    rows.append(_row("all", outcomes))
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    drawn = ["  ".join(_cells(line, widths)).rstrip() for line in lines]
    return "\n".join([*drawn, *_wrongs(outcomes)])


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    times = [outcome.recovered for outcome in outcomes if outcome.recovered is not None]
    never = len(outcomes) - len(times)
    return (
        name,
        str(len(outcomes)),
        str(sum(outcome.accepted for outcome in outcomes)),
        str(sum(outcome.untaken for outcome in outcomes)),
        *(str(sum(outcome.count(wrong) for outcome in outcomes)) for wrong in Wrong),
        f"{median(times):.1f}" if times else "-",
        f"never, {never}×" if never else f"{max(times):.1f}",
        f"{sum(not outcome.lies for outcome in outcomes)}/{len(outcomes)}",
    )


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield line[0].ljust(widths[0])
    for cell, width in zip(line[1:], widths[1:], strict=True):
        yield cell.rjust(width)


def _wrongs(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for at, outcome in enumerate(outcomes, start=1):
        for told in (*map(str, outcome.findings), *outcome.lies):
            yield f"round {at}, {outcome.fault}: {told}"
