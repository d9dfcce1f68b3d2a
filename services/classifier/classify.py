"""What a message is about, how urgent it is, and why: rules and model put together.

Order (handbook section 6): silence and abuse, words of danger, then the model. Rules only
raise a priority. A leaf whose base priority is P0 or P1 is lowered to P2 when neither the
rules nor the model find danger in the words: old fraud is a matter for the police, not an
emergency. A person can always raise it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from services.classifier.demands import split_demands
from services.classifier.model import Model, Prediction
from services.classifier.normalise import clean, fold
from services.classifier.rules import (
    Finding,
    danger_in,
    findings_for,
    heard_in,
)
from services.classifier.speech import (
    is_foreign,
    is_only_abuse,
    is_question,
    is_silent,
    without_abuse,
)
from shared.events import Alternative, Category, Danger, Demand, Priority, is_emergency, most_urgent
from shared.taxonomy import Leaf, load_taxonomy

INVALID: Final = "other.invalid_abusive"
SURELY_INVALID: Final = 0.9
"""From this probability a message that is not mere abuse or silence may be no demand."""
UNREADABLE: Final = Priority.P3
"""Silence or a foreign language may hide anything, so it does not sink to P5."""
DANGER_CONFIRMS: Final = 0.5
"""From this probability of danger, more likely than not, a leaf keeps its base P0 or P1."""
DANGER_RAISES: Final = 0.55
"""From this probability of danger a message that may be about anything is P1."""
DANGER_OUTWEIGHS: Final = 0.8
"""From this probability of danger any message is P1, however sure its matter: below it, one in
ten ordinary calls about lamps, litter or noise would be one."""
DANGER_SPEAKS_AGAIN: Final = 0.9
"""From this probability of danger a message is P1 although all its words of danger are guarded."""
ENOUGH_TO_SUSPECT: Final = 9
"""Of fewer letters (“我刚才打过电话了”) the model's suspicion counts for nothing; rules do."""
A_DEMAND_OF_ITS_OWN: Final = 0.5
"""A part of a message is a demand of its own only where its leaf is this probable."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one message. `reasons` are Chinese sentences for people.

    With `abstained` the leaf is a best guess and a person decides. `demands` holds one
    entry for each demand, the only one if there is one, none where a person has split it.
    `danger` is the worst danger that the words prove; None too where the model suspects one.
    """

    leaf: str
    category: Category
    priority: Priority
    probability: float
    abstained: bool
    alternatives: tuple[Alternative, ...]
    reasons: tuple[str, ...]
    demands: tuple[Demand, ...]
    danger: Danger | None
    decided_by: Literal["rule", "model", "person"]
    model_version: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A message or one of its parts, as written and as the model reads it."""

    written: str
    cleaned: str
    findings: tuple[Finding, ...]
    normalised: str
    abusive: bool
    asks: bool


def classify(model: Model, text: str, title: str | None = None) -> Verdict:
    """`classify_many` for one message."""
    return classify_many(model, [(title, text)])[0]


def classify_many(model: Model, texts: Sequence[tuple[str | None, str]]) -> list[Verdict]:
    """Verdicts on (title, text) pairs in their order; any text gets one, none raises.

    All messages and their parts go to the model in one call.
    """
    written = [_join(title, text) for title, text in texts]
    cleaned = [clean(text) for text in written]
    messages = [
        _part(text, tidy) if _speaks(tidy) else None
        for text, tidy in zip(written, cleaned, strict=True)
    ]
    split = [_split(message) if message else () for message in messages]
    asked = [part for message in messages if message for part in (message,)]
    asked += [part for parts in split for part in parts]
    predictions_asked = model.predict_normalised([part.normalised for part in asked])
    answers = map(_matter, asked, predictions_asked)
    predictions = [next(answers) if message else None for message in messages]
    verdicts: list[Verdict] = []
    for tidy, message, prediction, parts in zip(cleaned, messages, predictions, split, strict=True):
        if message is None or prediction is None:
            verdicts.append(_nothing_said(tidy, model.version))
        else:
            guesses = [(part, next(answers)) for part in parts]
            verdicts.append(_decide(model, message, prediction, guesses))
    return verdicts


def classify_as(leaf: Leaf, version: str, text: str, title: str | None = None) -> Verdict:
    """The verdict on a demand that a person split off another message and gave this leaf.

    Its priority is the leaf's own, or what words of danger make it; `version` is that of
    the model in use, which is not asked.
    """
    written = _join(title, text)
    cleaned, findings = heard_in(clean(written))
    fired = [finding for finding in findings_for(findings, leaf.slug) if not finding.silenced]
    return Verdict(
        leaf=leaf.slug,
        category=leaf.category,
        priority=most_urgent(leaf.priority, *(finding.priority for finding in fired)),
        probability=1.0,
        abstained=False,
        alternatives=(),
        reasons=(*map(_told_by_rule, fired), f"由人工拆单确定：{leaf.name}"),
        demands=(),
        danger=danger_in(fired, written, cleaned),
        decided_by="person",
        model_version=version,
    )


def _join(title: str | None, text: str) -> str:
    return f"{title}。{text}" if title and not text.startswith(title) else text


def _speaks(cleaned: str) -> bool:
    return not (is_silent(cleaned) or is_foreign(cleaned) or is_only_abuse(cleaned))


def _part(written: str, cleaned: str) -> _Part:
    decent = without_abuse(cleaned)
    read, findings = heard_in(cleaned)
    return _Part(
        written,
        read,
        findings,
        fold(decent),
        abusive=decent != cleaned,
        asks=is_question(cleaned),
    )


def _split(message: _Part) -> tuple[_Part, ...]:
    parts = split_demands(message.written)
    return tuple(_part(part, clean(part)) for part in parts) if len(parts) > 1 else ()


def _matter(part: _Part, prediction: Prediction) -> Prediction:
    """The prediction, but no message is thrown away on a guess.

    Abuse with a demand is about the demand, and what may be no demand at all is so only
    where the model is very sure.
    """
    if prediction.leaf != INVALID or (
        prediction.probability >= SURELY_INVALID and not part.abusive
    ):
        return prediction
    first, *others = prediction.alternatives
    rest = 1.0 - prediction.probability
    among_rest = round(min(1.0, first.probability / rest), 4) if rest > 0 else 0.0
    passed_over = Alternative(leaf=prediction.leaf, probability=prediction.probability)
    return replace(
        prediction,
        leaf=first.leaf,
        probability=among_rest,
        alternatives=(passed_over, *others),
        certainty=among_rest,
    )


def _nothing_said(cleaned: str, version: str) -> Verdict:
    if is_silent(cleaned):
        reason, abstained = "没有可辨认的内容：可能是求救的无声来电，须回拨确认", True
    elif is_foreign(cleaned):
        reason, abstained = "没有中文内容，须人工查看", True
    else:
        reason, abstained = "只有辱骂，没有诉求", False
    leaf = load_taxonomy()[INVALID]
    return Verdict(
        leaf=INVALID,
        category=leaf.category,
        priority=UNREADABLE if abstained else leaf.priority,
        probability=1.0,
        abstained=abstained,
        alternatives=(),
        reasons=(reason,),
        demands=(),
        danger=None,
        decided_by="rule",
        model_version=version,
    )


def _decide(
    model: Model,
    message: _Part,
    prediction: Prediction,
    parts: Sequence[tuple[_Part, Prediction]],
) -> Verdict:
    leaves = load_taxonomy()
    ruling = _ruling(message.findings)
    leaf = leaves[(ruling.leaf if ruling else None) or prediction.leaf]
    by_rule = ruling is not None
    abstained = not by_rule and prediction.certainty < model.threshold
    danger = prediction.danger if len(message.normalised) >= ENOUGH_TO_SUSPECT else 0.0
    priority, reasons = _priority(leaf, message, danger, sure=not abstained)
    guess = f"模型判断：{leaves[prediction.leaf].name}，可能性{prediction.probability:.0%}"
    if abstained:
        guess += f"，类别把握{prediction.certainty:.0%}，低于{model.threshold:.0%}，请人工确认"
    demands = _demands(leaf.slug, message.written, parts)
    if len(demands) > 1:
        names = "；".join(leaves[demand.leaf].name for demand in demands)
        reasons = (*reasons, f"一次来电有{len(demands)}个诉求：{names}")
    return Verdict(
        leaf=leaf.slug,
        category=leaf.category,
        priority=priority,
        probability=1.0 if by_rule else prediction.probability,
        abstained=abstained,
        alternatives=_alternatives(leaf.slug, prediction),
        reasons=(*reasons, guess),
        demands=demands,
        danger=danger_in(
            findings_for(message.findings, leaf.slug), message.written, message.cleaned
        ),
        decided_by="rule" if by_rule else "model",
        model_version=model.version,
    )


def _ruling(findings: Sequence[Finding]) -> Finding | None:
    """The most urgent finding that names the leaf."""
    return next((f for f in findings if f.leaf and not f.silenced), None)


def _priority(
    leaf: Leaf, message: _Part, danger: float, *, sure: bool
) -> tuple[Priority, tuple[str, ...]]:
    """The priority of a message about `leaf`, and the sentences that explain it.

    An emergency leaf that is no more than a guess (not `sure`), of somebody who asks, or
    whose words of danger are all guarded, needs more than the model's suspicion to stay
    one. Where a rule has judged the words, its priority stands and the model's suspicion
    does not raise it; nor does it raise a matter the model is sure of without more ado.
    """
    concerned = findings_for(message.findings, leaf.slug)
    fired = [finding for finding in concerned if not finding.silenced]
    reasons = [_told_by_rule(finding) for finding in fired]
    raised = most_urgent(Priority.P5, *(finding.priority for finding in fired))
    doubt = DANGER_OUTWEIGHS if message.asks else DANGER_CONFIRMS if sure else DANGER_RAISES
    suspected = danger >= doubt
    denied = len(fired) < len(concerned)
    judged = denied or (bool(fired) and not sure)
    if is_emergency(leaf.priority) and not is_emergency(raised) and (judged or not suspected):
        reasons.append(
            f"“{leaf.name}”一般为{leaf.priority}，文中未见现实危险，按P2办理，可人工调高"
        )
        return most_urgent(Priority.P2, raised), tuple(reasons)
    priority = most_urgent(leaf.priority, raised)
    raises = DANGER_SPEAKS_AGAIN if denied else DANGER_OUTWEIGHS if sure else DANGER_RAISES
    alarming = danger >= raises
    if not fired and not is_emergency(priority) and alarming:
        reasons.append(f"模型判断有现实危险，可能性{danger:.0%}，优先级升为P1")
        priority = Priority.P1
    elif not fired:
        reasons.append(f"“{leaf.name}”的基本优先级为{leaf.priority}")
    return priority, tuple(reasons)


def _told_by_rule(finding: Finding) -> str:
    rule = finding.rule
    return f"规则“{rule.name}”：文中有“{finding.words}”，优先级至少{finding.priority}"


def _alternatives(leaf: str, prediction: Prediction) -> tuple[Alternative, ...]:
    """The model's other candidates; its own choice among them where a rule overruled it."""
    candidates = prediction.alternatives
    if leaf != prediction.leaf:
        own = Alternative(leaf=prediction.leaf, probability=prediction.probability)
        candidates = (own, *(c for c in candidates if c.leaf != leaf))[: len(candidates)]
    return candidates


def _demands(
    leaf: str, written: str, parts: Sequence[tuple[_Part, Prediction]]
) -> tuple[Demand, ...]:
    """Parts about one matter joined; a part that is no matter joins the one before.

    More than one demand is the proposal to split the message. A matter the caller comes
    back to was never left: what stands between is part of it.
    """
    told: list[str] = []
    for part, prediction in parts:
        ruling = _ruling(part.findings)
        own = (ruling.leaf if ruling else None) or prediction.leaf
        sure = ruling is not None or prediction.probability >= A_DEMAND_OF_ITS_OWN
        told.append(own if not told or (sure and own != INVALID) else told[-1])
    found: dict[str, list[str]] = {}
    start = 0
    while start < len(told):
        end = len(told) - told[::-1].index(told[start])
        found.setdefault(told[start], []).extend(part.written for part, _ in parts[start:end])
        start = end
    if len(found) < 2:
        return (Demand(leaf=leaf, text=written),)
    return tuple(Demand(leaf=slug, text="".join(texts)) for slug, texts in found.items())
