"""How the shadow model's verdicts differ from those of the model in use, on the same tickets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from services.classifier.measures import Share
from shared.calendar import SHANGHAI
from shared.database import Reader
from shared.events import Category
from shared.taxonomy import every_leaf

MOST_MOVED: Final = 20
"""How many moves from leaf to leaf are shown."""
PAIRS: Final = text("""
WITH person AS (SELECT DISTINCT ON (number) number, leaf FROM review ORDER BY number, id DESC)
SELECT v.guess_leaf AS leaf, s.leaf AS shadow_leaf, person.leaf AS person_leaf,
    count(*) AS tickets,
    count(*) FILTER (WHERE v.guess_priority = s.priority) AS same_priority,
    count(*) FILTER (WHERE v.guess_abstained) AS abstained,
    count(*) FILTER (WHERE s.abstained) AS shadow_abstained,
    count(*) FILTER (WHERE v.guess_priority > 'P1' AND s.priority <= 'P1') AS gained,
    count(*) FILTER (WHERE v.guess_priority <= 'P1' AND s.priority > 'P1') AS lost,
    min(s.at) AS since, max(s.at) AS until
FROM shadow_verdict s JOIN verdict v USING (number) LEFT JOIN person USING (number)
WHERE s.model = :shadow AND v.guess_model = :active
    AND (s.ticket_version = v.ticket_version OR v.guess_at < v.decided_at)
GROUP BY 1, 2, 3
""")
"""A ticket counts where both models judged the same version of it; what a person decided has
versions the models did not judge."""


@dataclass(frozen=True)
class Agreement:
    """Two models on the same tickets; moves go from the active model's leaf to the shadow's.

    `referee` holds how often each is right where a person has answered, active first.
    """

    tickets: int
    since: datetime | None
    until: datetime | None
    leaf: Share
    category: Share
    priority: Share
    abstained: Share
    shadow_abstained: Share
    emergencies_gained: int
    emergencies_lost: int
    by_category: Mapping[Category, Share]
    by_leaf: Mapping[str, Share]
    moved: Sequence[tuple[str, str, int]]
    referee: tuple[Share, Share]


def compare(reader: Reader, active: str, shadow: str) -> Agreement:
    """The agreement of two models on everything both have judged."""
    rows = reader.execute(PAIRS, {"active": active, "shadow": shadow}).all()
    category = {slug: leaf.category for slug, leaf in every_leaf().items()}
    tickets = sum(row.tickets for row in rows)
    total: Counter[str] = Counter()
    for row in rows:
        total[row.leaf] += row.tickets
    same = {row.leaf: 0 for row in rows}
    moved: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.leaf == row.shadow_leaf:
            same[row.leaf] += row.tickets
        else:
            moved[row.leaf, row.shadow_leaf] += row.tickets
    alike = [row for row in rows if category[row.leaf] is category[row.shadow_leaf]]
    judged = [row for row in rows if row.person_leaf is not None]
    answers = sum(row.tickets for row in judged)
    return Agreement(
        tickets=tickets,
        since=min((row.since for row in rows), default=None),
        until=max((row.until for row in rows), default=None),
        leaf=Share(sum(same.values()), tickets),
        category=Share(sum(row.tickets for row in alike), tickets),
        priority=Share(sum(row.same_priority for row in rows), tickets),
        abstained=Share(sum(row.abstained for row in rows), tickets),
        shadow_abstained=Share(sum(row.shadow_abstained for row in rows), tickets),
        emergencies_gained=sum(row.gained for row in rows),
        emergencies_lost=sum(row.lost for row in rows),
        by_category={
            each: Share(
                sum(row.tickets for row in alike if category[row.leaf] is each),
                sum(n for leaf, n in total.items() if category[leaf] is each),
            )
            for each in Category
        },
        by_leaf={leaf: Share(same[leaf], n) for leaf, n in total.most_common()},
        moved=[(leaf, to, n) for (leaf, to), n in moved.most_common(MOST_MOVED)],
        referee=(
            Share(sum(r.tickets for r in judged if r.leaf == r.person_leaf), answers),
            Share(sum(r.tickets for r in judged if r.shadow_leaf == r.person_leaf), answers),
        ),
    )


def render(found: Agreement, active: str, shadow: str) -> str:
    """The agreement as a page for people."""
    if found.since is None or found.until is None:
        return f"影子 {shadow} 还没有和现用 {active} 一起判过工单"
    names = every_leaf()
    span = " 至 ".join(
        f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" for at in (found.since, found.until)
    )
    referee, shadow_referee = found.referee
    lines = [
        f"现用 {active}，影子 {shadow}：{found.tickets} 件，{span}",
        f"一致    事项 {percent(found.leaf)}，类别 {percent(found.category)}，"
        f"优先级 {percent(found.priority)}",
        f"弃权    现用 {percent(found.abstained)}，影子 {percent(found.shadow_abstained)}",
        f"紧急    影子多出 {found.emergencies_gained} 件，少了 {found.emergencies_lost} 件",
        f"人工    {referee.total} 件有人工判定：现用对 {percent(referee)}，"
        f"影子对 {percent(shadow_referee)}"
        if referee.total
        else "人工    还没有人工判定",
        "",
        "各类别一致（按现用模型的类别）",
        *(
            f"  {each.value:<9} {percent(share):>6}  {share.hits}/{share.total}"
            for each, share in found.by_category.items()
        ),
        "",
        "各事项一致（按现用模型的事项）",
        *(
            f"  {percent(share):>6}  {share.hits}/{share.total}  {names[leaf].name}"
            for leaf, share in found.by_leaf.items()
        ),
        "",
        "变动最多的事项（现用 → 影子）",
        *(f"  {n:5d}  {names[leaf].name} → {names[to].name}" for leaf, to, n in found.moved),
    ]
    return "\n".join(lines)


def percent(share: Share) -> str:
    """A share as people read it."""
    return "–" if share.value is None else f"{share.value:.1%}"
