"""What people decided, as the file from which the next model learns."""

import csv
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.classifier import train as training
from services.classifier.corpus import Example, read_history_csv
from services.classifier.model import history_file, train, training_examples
from services.classifier.normalise import normalise
from shared.events import Priority
from tests.classifier.bench import LAMP, VAGUE, new_number, taken
from tests.classifier.live_bench import GREEN, LIGHT, Live, examples


def export(live: Live, path: Path) -> list[dict[str, str]]:
    result = live.run("corrections", "export", str(path))
    assert result.exit_code == 0, result.output
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} 件人工判定" in result.stdout
    return rows


def test_the_newest_answer_on_each_ticket_is_written_with_who_and_when(
    live: Live, tmp_path: Path
) -> None:
    first, second = new_number(), new_number()
    words = f'{LAMP}，"急"\n请处理'
    live.bench.hear(taken(first, words, title="路灯问题"), taken(second, LAMP))
    for leaf, name in ((LIGHT, "王五"), (GREEN, "赵六")):
        live.bench.post(f"/reviews/{first}", {"leaf": leaf, "priority": "P2"}, name=name)
    row, *others = export(live, tmp_path / "answers.csv")
    assert others == []
    assert (row["text"], row["leaf"], row["priority"]) == (f"路灯问题。{words}", GREEN, "P2")
    assert (row["number"], row["reviewer"]) == (first, "赵六")
    assert row["at"].endswith("+08:00")


def test_what_was_exported_trains_the_next_model(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [new_number() for _ in range(3)]
    live.bench.hear(*(taken(number, f"{VAGUE}，第{number[-2:]}回") for number in numbers))
    for number in numbers:
        live.bench.post(f"/reviews/{number}", {"leaf": GREEN, "priority": "P4"})
    file = tmp_path / "answers.csv"
    export(live, file)
    learned = read_history_csv(file)
    assert [(one.leaf, one.priority) for one in learned] == [(GREEN, Priority.P4)] * 3
    assert learned[0].text == normalise(f"{VAGUE}，第{numbers[0][-2:]}回")

    def learn_little(home: Path) -> tuple[Example, ...]:
        return (*examples(), *training_examples_of_history(home))

    def training_examples_of_history(home: Path) -> tuple[Example, ...]:
        return tuple(e for e in training_examples(home) if e in learned)

    monkeypatch.setattr(training, "training_examples", learn_little)
    monkeypatch.setattr(training, "load_or_train", lambda home: train(learn_little(home)))
    command = typer.Typer()
    command.command()(training.train)
    home = tmp_path / "home"
    result = CliRunner().invoke(command, ["--data", str(file), "--home", str(home)])
    assert result.exit_code == 0, result.output
    assert len(history_file(home).read_text(encoding="utf-8").splitlines()) == 3
    (said,) = train(learn_little(home)).predict([VAGUE])
    assert said.leaf == GREEN


def test_without_answers_the_file_has_its_head_only(live: Live, tmp_path: Path) -> None:
    assert export(live, tmp_path / "answers.csv") == []


def test_a_file_that_cannot_be_written_is_a_sentence(live: Live, tmp_path: Path) -> None:
    result = live.run("corrections", "export", str(tmp_path / "none" / "answers.csv"))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(live: Live, tmp_path: Path) -> None:
    assert live.run("corrections", "export", str(tmp_path)).exit_code == 2
