"""How good the classifier is on labelled messages: the figures, and how sure they are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from shared.events import Category, Priority, is_emergency
from shared.taxonomy import every_leaf

WORST: Final = 10
"""How many confusions of leaves a report shows."""


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled message: `also` are leaves that are defensible too, `urgent` None if unjudged."""

    text: str
    leaf: str
    also: tuple[str, ...] = ()
    urgent: bool | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the classifier said about a case."""

    leaf: str
    priority: Priority
    abstained: bool


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with Wilson's 95 % interval; nothing of nothing has no value."""

    hits: int
    total: int

    @property
    def value(self) -> float | None:
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        z, n, p = 1.96, self.total, self.hits / self.total
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Report:
    """All figures. Strict counts the label alone, lenient also what is defensible.

    `urgent` figures are None where no case was judged for urgency.
    """

    category_strict: Share
    category_lenient: Share
    leaf_strict: Share
    leaf_lenient: Share
    macro_f1: float
    recall: dict[Category, Share]
    urgent_recall: Share | None
    urgent_false_alarm: Share | None
    coverage: Share
    covered_category: Share
    covered_leaf: Share
    confusion: dict[tuple[Category, Category], int]
    worst: tuple[tuple[str, str, int], ...]

    def as_json(self) -> dict[str, object]:
        """The figures a machine compares, shares as numbers between 0 and 1."""
        return {
            "category_strict": self.category_strict.value,
            "category_lenient": self.category_lenient.value,
            "macro_f1": self.macro_f1,
            "leaf_strict": self.leaf_strict.value,
            "leaf_lenient": self.leaf_lenient.value,
            "recall": {category.value: share.value for category, share in self.recall.items()},
            "urgent_recall": self.urgent_recall and self.urgent_recall.value,
            "urgent_false_alarm": self.urgent_false_alarm and self.urgent_false_alarm.value,
            "coverage": self.coverage.value,
            "covered_strict": self.covered_category.value,
        }


def measure(cases: Sequence[Case], answers: Sequence[Answer]) -> Report:
    """The report on answers given to cases, in the same order."""
    pairs = list(zip(cases, answers, strict=True))
    kept = [(case, answer) for case, answer in pairs if not answer.abstained]
    confusion = Counter((_category(case.leaf), _category(answer.leaf)) for case, answer in pairs)
    wrong = Counter(
        (case.leaf, answer.leaf)
        for case, answer in pairs
        if answer.leaf not in (case.leaf, *case.also)
    )
    return Report(
        category_strict=_share(_category(a.leaf) == _category(c.leaf) for c, a in pairs),
        category_lenient=_share(
            _category(a.leaf) in {_category(leaf) for leaf in (c.leaf, *c.also)} for c, a in pairs
        ),
        leaf_strict=_share(a.leaf == c.leaf for c, a in pairs),
        leaf_lenient=_share(a.leaf in (c.leaf, *c.also) for c, a in pairs),
        macro_f1=_macro_f1(confusion),
        recall={
            category: _share(
                _category(a.leaf) == category for c, a in pairs if _category(c.leaf) == category
            )
            for category in Category
        },
        urgent_recall=_alarms(pairs, urgent=True),
        urgent_false_alarm=_alarms(pairs, urgent=False),
        coverage=Share(len(kept), len(pairs)),
        covered_category=_share(_category(a.leaf) == _category(c.leaf) for c, a in kept),
        covered_leaf=_share(a.leaf == c.leaf for c, a in kept),
        confusion=dict(confusion),
        worst=tuple((label, said, n) for (label, said), n in wrong.most_common(WORST)),
    )


def render(report: Report) -> str:
    """The report as a table for people."""
    lines = ["指标                 数值    95% 区间         条数"]
    named = {
        "类别准确率（严）": report.category_strict,
        "类别准确率（宽）": report.category_lenient,
        "事项准确率（严）": report.leaf_strict,
        "事项准确率（宽）": report.leaf_lenient,
        **{f"召回 {category}": share for category, share in report.recall.items()},
        "紧急召回": report.urgent_recall,
        "紧急误报": report.urgent_false_alarm,
        "不弃权比例": report.coverage,
        "不弃权者类别准确率": report.covered_category,
        "不弃权者事项准确率": report.covered_leaf,
    }
    lines += [_line(name, share) for name, share in named.items() if share]
    lines.append(f"{_pad('类别宏平均 F1')}{report.macro_f1:.3f}")
    lines += ["", "类别混淆（行：应为，列：判为）", "".ljust(10) + _row(list(Category))]
    lines += [
        row.ljust(10) + _row([str(report.confusion.get((row, column), 0)) for column in Category])
        for row in Category
    ]
    names = every_leaf()
    lines += ["", "最常混淆的事项（应为 → 判为）"]
    lines += [
        f"{n:4d}  {names[label].name} → {names[said].name}" for label, said, n in report.worst
    ]
    return "\n".join(lines)


def _category(leaf: str) -> Category:
    return every_leaf()[leaf].category


def _share(hits: Iterable[bool]) -> Share:
    found = list(hits)
    return Share(sum(found), len(found))


def _alarms(pairs: Sequence[tuple[Case, Answer]], *, urgent: bool) -> Share | None:
    share = _share(is_emergency(answer.priority) for case, answer in pairs if case.urgent is urgent)
    return share if share.total else None


def _macro_f1(confusion: Counter[tuple[Category, Category]]) -> float:
    """The mean of F1 over the categories that occur among the labels."""
    scores = []
    for category in Category:
        right = confusion[category, category]
        labelled = sum(n for (label, _), n in confusion.items() if label == category)
        said = sum(n for (_, answer), n in confusion.items() if answer == category)
        if labelled:
            scores.append(2 * right / (labelled + said))
    return sum(scores) / len(scores) if scores else 0.0


def _line(name: str, share: Share) -> str:
    low, high = share.interval
    value = "  –  " if share.value is None else f"{share.value:.3f}"
    return f"{_pad(name)}{value}   {low:.3f}–{high:.3f}   {share.hits}/{share.total}"


def _pad(name: str) -> str:
    """The name filled up to one width, Chinese letters being two wide."""
    return name + " " * (22 - sum(2 if ord(letter) > 0x2E80 else 1 for letter in name))


def _row(cells: Sequence[str]) -> str:
    return "".join(cell.rjust(10) for cell in cells)
