"""Measure the classifier, rules and model together, on a file of labelled messages.

    python -m services.classifier.evaluate --data file.csv [--format text|json]

The file has columns text, leaf and perhaps title, also (leaves joined by `|`) and urgent
(0 or 1). A file it cannot use ends the command with a sentence and exit code 2.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.classifier.classify import classify_many
from services.classifier.corpus import CorpusError, read_table
from services.classifier.home import classifier_home
from services.classifier.measures import Answer, Case, measure, render
from services.classifier.model import load_or_train
from shared.taxonomy import load_taxonomy

URGENT: Final = {"1": True, "0": False, "": None}


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def read_cases(path: Path) -> list[Case]:
    """The labelled messages of a CSV file; CorpusError, naming the row, for a bad one."""
    leaves = load_taxonomy()
    cases = []
    for number, row in read_table(path, ("text", "leaf")):
        also = tuple(leaf for leaf in row.get("also", "").split("|") if leaf)
        for leaf in (row["leaf"], *also):
            if leaf not in leaves:
                raise CorpusError(f"{path.name} 第{number}行：没有事项 {leaf!r}")
        if row.get("urgent", "") not in URGENT:
            raise CorpusError(f"{path.name} 第{number}行：urgent 只能是 0 或 1")
        cases.append(
            Case(
                text=row["text"],
                leaf=row["leaf"],
                also=also,
                urgent=URGENT[row.get("urgent", "")],
                title=row.get("title") or None,
            )
        )
    return cases


def evaluate(
    data: Annotated[Path, typer.Option(help="CSV：text, leaf[, title][, also][, urgent]")],
    output: Annotated[Format, typer.Option("--format", help="text 或 json")] = Format.TEXT,
    home: Annotated[Path | None, typer.Option(help="模型目录")] = None,
) -> None:
    """用标注过的诉求检验分类。"""
    try:
        cases = read_cases(data)
    except CorpusError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    model = load_or_train(home or classifier_home())
    verdicts = classify_many(model, [(case.title, case.text) for case in cases])
    answers = [Answer(v.leaf, v.priority, v.abstained) for v in verdicts]
    report = measure(cases, answers)
    typer.echo(f"模型 {model.version}，{len(cases)} 条")
    typer.echo(render(report))
    if output is Format.JSON:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))


if __name__ == "__main__":
    typer.run(evaluate)
