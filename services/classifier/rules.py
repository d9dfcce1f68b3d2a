"""Danger the words themselves prove: these rules run beside the model and only raise.

`emergency_rules.toml` is the table, written for a domain expert; its head explains the
pattern language. This module reads the table, and says which rules a text fires.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.classifier.normalise import clean
from shared.dangers import load_dangers
from shared.events import Danger, Priority, most_urgent
from shared.taxonomy import load_taxonomy

RULES_FILE: Final = Path(__file__).with_name("emergency_rules.toml")
SENTENCE_ENDS: Final = "。!?"
CLAUSE_ENDS: Final = "。!?,;:"
_CLAUSE_ENDS_AS_WRITTEN: Final = re.compile("[。!?,;:！？，；：\n]")
MAX_CLAUSE: Final = 120
"""Letters of a clause that are passed on; a call without any comma is longer."""
GASPED: Final = 16
"""Letters of a text so short that a comma in it may stand inside a phrase."""
_COMMAS: Final = re.compile("[,、;:] *")
NEAR: Final = 10
"""`…`: most characters between two words of a pattern within one clause."""
FAR: Final = 25
"""`……`: most characters between two words of a pattern within one sentence."""


class RulesError(Exception):
    """The rule table contradicts itself or cannot be read."""


class Guard(BaseModel):
    """Words that, near a match, show it to be no present danger.

    `inside` are words that end a gap of the pattern (“电梯没困人”), `next` those that follow
    the match at once (“咬过”). A word before may reach into the match (“上个月中毒”).
    `distance` bounds how far before the match they count; `reach` says whether they are
    looked for in the match's clause or its sentence. `unless` words there undo the guard
    (“以前也漏，今天又漏了”); `except` are phrases that merely contain a guard word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    meaning: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    distance: int | None = None
    reach: Literal["clause", "sentence"] = "clause"
    unless: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = Field(default=(), alias="except")


class Rule(BaseModel):
    """One line of the table; `for_leaves` empty means whatever the message is about.

    `danger` is a kind of `shared/dangers.csv`, None where the words tell of no certain one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    priority: Priority
    leaf: str | None = None
    danger: str | None = None
    for_leaves: tuple[str, ...] = ()
    patterns: tuple[str, ...] = Field(min_length=1)
    guards: tuple[str, ...] | None = None
    unless: tuple[str, ...] = ()
    fires: tuple[str, ...] = Field(min_length=1)
    silent: tuple[str, ...] = Field(min_length=1)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    guard: Mapping[str, Guard]
    rule: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule whose words stand in a (cleaned) text.

    With `silenced` every place where they stand is guarded: the caller speaks of danger
    that is past, feared, denied or rehearsed. `at` is where the words begin.
    """

    rule: Rule
    words: str
    at: int
    silenced: bool = False

    @property
    def priority(self) -> Priority:
        """The rule's priority, or that of its kind of danger where this is more urgent."""
        kind = load_dangers().get(self.rule.danger or "")
        return most_urgent(self.rule.priority, *([kind.priority] if kind else []))

    @property
    def leaf(self) -> str | None:
        """The leaf that the words prove: the rule's, else that of an emergency's kind."""
        kind = load_dangers().get(self.rule.danger or "")
        if self.rule.leaf is None and kind is not None and not self.rule.for_leaves:
            return kind.leaf if self.rule.priority is Priority.P0 else None
        return self.rule.leaf


@dataclass(frozen=True, slots=True)
class _Trigger:
    rule: Rule
    guards: tuple[Guard, ...]
    words: tuple[tuple[str, ...], ...]
    pattern: re.Pattern[str]

    def can_match(self, text: str) -> bool:
        return all(any(word in text for word in words) for words in self.words[1:])


@dataclass(frozen=True)
class Rules:
    """The table, ready to run: triggers by the first letter of their pattern's first words."""

    rules: tuple[Rule, ...]
    triggers: Mapping[str, tuple[tuple[str, _Trigger], ...]]


@cache
def load_rules(path: Path = RULES_FILE) -> Rules:
    """The rule table; RulesError where it is malformed or names an unknown leaf or guard."""
    try:
        table = _Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise RulesError(f"{path.name}: {error}") from error
    leaves = load_taxonomy()
    triggers: dict[str, list[tuple[str, _Trigger]]] = {}
    seen: set[str] = set()
    for rule in table.rule:
        if rule.id in seen:
            raise RulesError(f"{path.name}: rule {rule.id} stands twice")
        seen.add(rule.id)
        for leaf in (*rule.for_leaves, *([rule.leaf] if rule.leaf else [])):
            if leaf not in leaves:
                raise RulesError(f"{path.name}: rule {rule.id} names unknown leaf {leaf}")
        if rule.danger is not None and rule.danger not in load_dangers():
            raise RulesError(f"{path.name}: rule {rule.id} names unknown danger {rule.danger}")
        names = table.guard.keys() if rule.guards is None else rule.guards
        if unknown := set(names) - table.guard.keys():
            raise RulesError(f"{path.name}: rule {rule.id} names unknown guards {unknown}")
        guards = tuple(table.guard[name] for name in names)
        for pattern in rule.patterns:
            words = tuple(tuple(part.split("/")) for part in pattern.split(" ")[::2])
            trigger = _Trigger(rule, guards, words, _compile(pattern))
            for word in words[0]:
                triggers.setdefault(word[0], []).append((word, trigger))
    return Rules(table.rule, {letter: tuple(found) for letter, found in triggers.items()})


def find_dangers(rules: Rules, cleaned: str) -> tuple[Finding, ...]:
    """Every rule whose words stand in a text in the form of `normalise.clean`.

    Rules bound to leaves are included: `findings_for` keeps those that concern a leaf.
    A rule is reported once; live findings come before silenced ones, the most urgent
    first, in the table's order among equals.
    """
    found: dict[str, Finding] = {}
    tried: set[int] = set()
    for letter in sorted(set(cleaned) & rules.triggers.keys()):
        for word, trigger in rules.triggers[letter]:
            known = found.get(trigger.rule.id)
            if word not in cleaned or id(trigger) in tried or (known and not known.silenced):
                continue
            tried.add(id(trigger))
            finding = _find(trigger, cleaned) if trigger.can_match(cleaned) else None
            if finding and not (known and finding.silenced):
                found[trigger.rule.id] = finding
    if not found:
        return ()
    order = {rule.id: place for place, rule in enumerate(rules.rules)}
    return tuple(sorted(found.values(), key=lambda f: (f.silenced, f.priority, order[f.rule.id])))


def heard_in(cleaned: str) -> tuple[str, tuple[Finding, ...]]:
    """What the table finds in a cleaned text, and the text it was found in.

    Who gasps, or what a recogniser breaks up (“煤气，泄漏”), sets a comma inside a phrase: a
    short text without live danger is read again without its commas.
    """
    findings = find_dangers(load_rules(), cleaned)
    if (
        len(cleaned) > GASPED
        or not _COMMAS.search(cleaned)
        or any(not f.silenced for f in findings)
    ):
        return cleaned, findings
    joined = _COMMAS.sub("", cleaned)
    again = find_dangers(load_rules(), joined)
    return (joined, again) if any(not f.silenced for f in again) else (cleaned, findings)


def findings_for(findings: Iterable[Finding], leaf: str) -> tuple[Finding, ...]:
    """The findings that hold for a message about `leaf`."""
    return tuple(f for f in findings if not f.rule.for_leaves or leaf in f.rule.for_leaves)


def dangers_in(text: str, leaf: str | None = None) -> tuple[Finding, ...]:
    """The live findings in a raw text, kept to `leaf` where one is given."""
    live = tuple(f for f in find_dangers(load_rules(), clean(text)) if not f.silenced)
    return live if leaf is None else findings_for(live, leaf)


def danger_in(findings: Iterable[Finding], written: str, cleaned: str) -> Danger | None:
    """The worst danger that is live: its kind, and the clause of `written` that tells of it."""
    told = next((f for f in findings if f.rule.danger and not f.silenced), None)
    if told is None or told.rule.danger is None:
        return None
    left, right = _span(cleaned, told.at, told.at + len(told.words), CLAUSE_ENDS)
    clause = cleaned[left:right]
    said = [part for part in _CLAUSE_ENDS_AS_WRITTEN.split(written) if part.strip()]
    folded = [part for part in re.split(f"[{CLAUSE_ENDS}]", cleaned) if part.strip()]
    if len(said) == len(folded) and clause in folded:
        clause = said[folded.index(clause)]
    return Danger(kind=told.rule.danger, clause=clause.strip()[:MAX_CLAUSE])


def _compile(pattern: str) -> re.Pattern[str]:
    """A pattern of the table as a regular expression whose repeats are all bounded."""
    gaps = {"…": f"([^{CLAUSE_ENDS}]{{0,{NEAR}}}?)", "……": f"([^{SENTENCE_ENDS}]{{0,{FAR}}}?)"}
    parts = []
    for place, part in enumerate(pattern.split(" ")):
        if (part in gaps) != (place % 2 == 1) or not part:
            raise RulesError(f"pattern {pattern!r} is not words joined by … or ……")
        alternatives = "|".join(re.escape(word) for word in part.split("/"))
        parts.append(gaps.get(part, f"(?:{alternatives})"))
    return re.compile("".join(parts))


def _find(trigger: _Trigger, text: str) -> Finding | None:
    """The first unguarded match, else the first guarded one."""
    silenced: Finding | None = None
    for match in trigger.pattern.finditer(text):
        start, end = match.span()
        sentence = _span(text, start, end, SENTENCE_ENDS)
        gaps = [gap for gap in match.groups() if gap]
        if not any(word in text[slice(*sentence)] for word in trigger.rule.unless) and not any(
            _holds(guard, text, (start, end), sentence, gaps) for guard in trigger.guards
        ):
            return Finding(trigger.rule, match.group(), start)
        silenced = silenced or Finding(trigger.rule, match.group(), start, silenced=True)
    return silenced


def _holds(
    guard: Guard, text: str, match: tuple[int, int], sentence: tuple[int, int], gaps: Sequence[str]
) -> bool:
    start, end = match
    left, right = sentence if guard.reach == "sentence" else _span(text, start, end, CLAUSE_ENDS)
    before, after = text[left:start], text[end:right]
    for phrase in guard.exceptions:
        before, after = before.replace(phrase, "#"), after.replace(phrase, "#")
        gaps = [gap.replace(phrase, "#") for gap in gaps]
    if guard.distance is not None:
        widest = max(map(len, guard.before), default=0)
        before = before[-(guard.distance + widest) :]
    if not (
        _near(guard, before)
        or any(word in gap for gap in gaps for word in (*guard.before, *guard.after))
        or any(gap.endswith(guard.inside) for gap in gaps if guard.inside)
        or any(word in after for word in guard.after)
        or (guard.next and after.startswith(guard.next))
        or _reaches_in(guard, text, left, start, end)
    ):
        return False
    return not any(word in text[left:right] for word in guard.unless)


def _reaches_in(guard: Guard, text: str, left: int, start: int, end: int) -> bool:
    """Whether a word before the match ends within it."""
    for word in guard.before:
        place = text.find(word, max(left, start - len(word) + 1), min(end, start + len(word) - 1))
        if 0 <= place < start < place + len(word):
            return True
    return False


def _near(guard: Guard, before: str) -> bool:
    for word in guard.before:
        place = before.rfind(word)
        if place >= 0 and (
            guard.distance is None or len(before) - place - len(word) <= guard.distance
        ):
            return True
    return False


def _span(text: str, start: int, end: int, ends: str) -> tuple[int, int]:
    left = max(text.rfind(mark, 0, start) for mark in ends) + 1
    rights = [place for mark in ends if (place := text.find(mark, end)) >= 0]
    return left, min(rights, default=len(text))
