"""Build the model from the corpus and, where given, the hotline's own history.

    python -m services.classifier.train [--data history.csv …] [--home DIR]

The history, of one file or several, has columns text, leaf and perhaps priority. Its
normalised texts, which hold no digits, are kept as `history.jsonl` beside the model: every
later training uses them until another history replaces them or the file is removed.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from services.classifier.corpus import CorpusError, Example, read_history_csv, write_history
from services.classifier.fitting import cross_validate
from services.classifier.home import card_file, classifier_home
from services.classifier.measures import Answer, Case, measure, render
from services.classifier.model import (
    Model,
    history_file,
    load_or_train,
    training_examples,
)
from services.classifier.parameters import PARAMETERS
from shared.events import Priority


def train(
    data: Annotated[
        list[Path] | None, typer.Option(help="历史工单 CSV：text, leaf[, priority]；可给多个")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="模型目录")] = None,
) -> None:
    """用语料（和本热线的历史）训练模型，写下模型、说明卡和交叉验证的指标。"""
    directory = home or classifier_home()
    directory.mkdir(parents=True, exist_ok=True)
    if data:
        try:
            history = [example for file in data for example in read_history_csv(file)]
            write_history(history, history_file(directory))
        except CorpusError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
    model = load_or_train(directory)
    examples = training_examples(directory)
    card, table = describe(model, examples)
    write_json(directory / "card.json", card)
    write_json(card_file(directory, model.version), card)
    write_json(directory / "metrics.json", card["cross_validation"])
    typer.echo(f"模型 {model.version}：{directory}")
    typer.echo(table)


def describe(model: Model, examples: tuple[Example, ...]) -> tuple[dict[str, object], str]:
    """The card of a model, and its cross-validation as a table.

    The figures are the model's alone, without the rules, on messages it had not seen.
    """
    scored = cross_validate(examples)
    messages = [example for example in examples if example.message]
    said = [scored.leaves[place] for place in scored.scores.argmax(axis=1).tolist()]
    sure = scored.certainty(model.confidence).tolist()
    report = measure(
        [Case(example.text, example.leaf) for example in messages],
        [
            Answer(leaf, Priority.P3, abstained=certainty < model.threshold)
            for leaf, certainty in zip(said, sure, strict=True)
        ],
    )
    card = {
        "version": model.version,
        "messages": len(messages),
        "vocabulary": len(examples) - len(messages),
        "leaves": dict(sorted(Counter(example.leaf for example in messages).items())),
        "parameters": repr(PARAMETERS),
        "scale": model.confidence.scale,
        "threshold": model.threshold,
        "leads_wanted": model.confidence.leads_wanted(model.weights.leaves, model.threshold),
        "cross_validation": report.as_json(),
    }
    return card, render(report)


def write_json(path: Path, content: object) -> None:
    """Write a file people read."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(train)
