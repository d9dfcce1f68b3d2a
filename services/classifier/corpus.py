"""What the model learns from: the project's corpus, its vocabulary, a hotline's history.

The corpus is `corpus/*.jsonl`, one written ticket a line. `leaf_words.toml` and the
taxonomy's own words widen its vocabulary. A hotline's history is a CSV somebody hands in;
of it only the normalised texts are kept, in which digits (phones, IDs) are gone.
"""

import csv
import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.classifier.normalise import normalise
from shared.events import Priority
from shared.spreadsheets import as_written
from shared.taxonomy import load_taxonomy

CORPUS: Final = Path(__file__).with_name("corpus")
LEAF_WORDS: Final = Path(__file__).with_name("leaf_words.toml")
JURISDICTION: Final = "other.non_jurisdiction"
"""A question of place (管辖由地点判定), which the router answers: no model learns it."""


class CorpusError(Exception):
    """A training or evaluation file that cannot be used, in a sentence for its owner."""


class CorpusLine(BaseModel):
    """One line of the corpus; `voice` is how the citizen speaks.

    `hard` marks a message at a boundary, where another leaf's words stand out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    leaf: str
    priority: Priority
    also: tuple[str, ...]
    voice: Literal[
        "spoken", "dialect", "shorthand", "letter", "web", "angry", "polite", "elderly", "title"
    ]
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text in normalised form; `priority` None where nobody judged it.

    `message` is false for words and definitions, which no metric may count.
    """

    text: str
    leaf: str
    priority: Priority | None = None
    message: bool = True


def read_corpus(directory: Path = CORPUS) -> tuple[CorpusLine, ...]:
    """All lines of the corpus, file by file; CorpusError names the first bad line."""
    leaves = load_taxonomy()
    lines: list[CorpusLine] = []
    for path in sorted(directory.glob("*.jsonl")):
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = CorpusLine.model_validate_json(raw)
            except ValidationError as error:
                raise CorpusError(f"{path.name} line {number}: {error}") from error
            for leaf in (line.leaf, *line.also):
                if leaf not in leaves or leaf == JURISDICTION:
                    raise CorpusError(f"{path.name} line {number}: no matter {leaf}")
            lines.append(line)
    return tuple(lines)


def corpus_examples(directory: Path = CORPUS) -> tuple[Example, ...]:
    """The corpus as training examples, in the order of its files."""
    return tuple(
        Example(normalise(line.text), line.leaf, line.priority) for line in read_corpus(directory)
    )


def vocabulary_examples() -> tuple[Example, ...]:
    """Words, keywords and definitions of the leaves, each a short text of its leaf."""
    leaves = {slug: leaf for slug, leaf in load_taxonomy().items() if slug != JURISDICTION}
    words: dict[str, str] = tomllib.loads(LEAF_WORDS.read_text(encoding="utf-8"))
    if unknown := words.keys() ^ leaves.keys():
        raise CorpusError(f"{LEAF_WORDS.name} and the taxonomy differ in {sorted(unknown)}")
    texts = [
        (f"{leaf.name}。{leaf.definition} {'，'.join(leaf.keywords)}", slug)
        for slug, leaf in leaves.items()
    ]
    texts += [(word, slug) for slug, leaf in leaves.items() for word in leaf.keywords]
    texts += [(word, slug) for slug, listed in words.items() for word in listed.split()]
    return tuple(Example(normalise(text), slug, message=False) for text, slug in texts)


def read_history_csv(path: Path) -> tuple[Example, ...]:
    """A hotline's history with columns text, leaf and perhaps priority.

    Rows that only say whose district it was teach nothing and are left out. Raises
    CorpusError, naming the row, for anything the training could not use.
    """
    leaves = load_taxonomy()
    examples: list[Example] = []
    for number, row in read_table(path, ("text", "leaf")):
        if row["leaf"] not in leaves:
            raise CorpusError(f"{path.name} 第{number}行：没有事项 {row['leaf']!r}")
        priority = row.get("priority") or None
        if priority and priority not in Priority.__members__:
            raise CorpusError(f"{path.name} 第{number}行：没有优先级 {priority!r}")
        if row["leaf"] == JURISDICTION:
            continue
        examples.append(
            Example(
                normalise(as_written(row["text"])),
                row["leaf"],
                Priority(priority) if priority else None,
            )
        )
    return tuple(examples)


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their line numbers; CorpusError where it is not what it must be."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise CorpusError(f"{path.name}：缺少列 {', '.join(missing)}")
            rows = [
                (reader.line_num, {key: value or "" for key, value in row.items() if key})
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}：读不了（{error}）") from error
    if not rows:
        raise CorpusError(f"{path.name}：没有数据行")
    return rows


def write_history(examples: Sequence[Example], path: Path) -> None:
    """Keep a history for later trainings, normalised texts only."""
    lines = [
        json.dumps([example.text, example.leaf, example.priority], ensure_ascii=False)
        for example in examples
    ]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read_history(path: Path) -> tuple[Example, ...]:
    """The history kept by `write_history`; empty where none was ever given."""
    if not path.exists():
        return ()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Example(text, leaf, Priority(priority) if priority else None)
        for text, leaf, priority in rows
    )


def fingerprint(examples: Sequence[Example], *parameters: object) -> str:
    """Twelve hex digits that change with any example, their order or a parameter."""
    digest = hashlib.sha256(repr(parameters).encode())
    for example in examples:
        digest.update(repr((example.text, example.leaf, example.priority)).encode())
    return digest.hexdigest()[:12]
