import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.classifier.evaluate import evaluate
from services.classifier.measures import Answer, Case, Share, measure, render
from services.classifier.model import Model
from services.classifier.train import train
from shared.events import Category, Priority

KEYS = {
    "category_strict",
    "category_lenient",
    "macro_f1",
    "leaf_strict",
    "leaf_lenient",
    "recall",
    "urgent_recall",
    "urgent_false_alarm",
    "coverage",
    "covered_strict",
}

evaluation = typer.Typer()
evaluation.command()(evaluate)
training = typer.Typer()
training.command()(train)


def _file(directory: Path, content: str) -> Path:
    path = directory / "cases.csv"
    path.write_text(content, encoding="utf-8")
    return path


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Share(0, 0).value is None


def test_strict_and_lenient_urgent_and_abstained_are_counted_apart() -> None:
    cases = [
        Case("a", "grid.greening", ("property.property_service",), urgent=True),
        Case("b", "grid.greening", urgent=False),
        Case("c", "safety.gas_leak", urgent=True),
        Case("d", "grid.street_order", urgent=False),
    ]
    answers = [
        Answer("property.property_service", Priority.P1, abstained=False),
        Answer("grid.greening", Priority.P1, abstained=False),
        Answer("safety.gas_leak", Priority.P2, abstained=False),
        Answer("grid.parking_order", Priority.P3, abstained=True),
    ]
    report = measure(cases, answers)
    assert report.category_strict == Share(3, 4)
    assert report.category_lenient == Share(4, 4)
    assert report.leaf_strict == Share(2, 4)
    assert report.leaf_lenient == Share(3, 4)
    assert report.urgent_recall == Share(1, 2)
    assert report.urgent_false_alarm == Share(1, 2)
    assert report.coverage == Share(3, 4)
    assert report.covered_category == Share(2, 3)
    assert report.recall[Category.GRID] == Share(2, 3)
    assert report.macro_f1 == pytest.approx((0.8 + 1.0) / 2)
    assert report.worst == (("grid.street_order", "grid.parking_order", 1),)
    assert "紧急召回" in render(report)


def test_without_judged_urgency_there_is_no_figure_for_it() -> None:
    report = measure(
        [Case("a", "grid.greening")], [Answer("grid.greening", Priority.P3, abstained=False)]
    )
    assert report.as_json()["urgent_recall"] is None


def test_json_ends_with_one_line_of_exactly_the_figures(
    model: Model, model_home: Path, tmp_path: Path
) -> None:
    data = _file(
        tmp_path,
        "text,leaf,also,urgent\n"
        "楼道里有煤气味,safety.gas_leak,,1\n"
        "路灯不亮,grid.street_lighting,grid.road_facility,0\n",
    )
    result = CliRunner().invoke(
        evaluation, ["--data", str(data), "--format", "json", "--home", str(model_home)]
    )
    assert result.exit_code == 0
    assert "类别准确率" in result.stdout
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures.keys() == KEYS
    assert figures["category_strict"] == 1.0
    assert figures["urgent_recall"] == 1.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text,label\nx,y\n", "缺少列 leaf"),
        ("text,leaf\n", "没有数据行"),
        ("", "缺少列"),
        ("text,leaf\nx,grid.nothing\n", "第2行"),
        ("text,leaf,also\nx,grid.greening,no.leaf\n", "没有事项"),
        ("text,leaf,urgent\nx,grid.greening,maybe\n", "urgent"),
    ],
)
def test_a_bad_file_is_one_sentence_and_exit_code_2(
    tmp_path: Path, content: str, says: str
) -> None:
    result = CliRunner().invoke(evaluation, ["--data", str(_file(tmp_path, content))])
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_or_binary_file_is_a_sentence_too(tmp_path: Path) -> None:
    assert CliRunner().invoke(evaluation, ["--data", str(tmp_path / "none.csv")]).exit_code == 2
    binary = tmp_path / "x.csv"
    binary.write_bytes(b"\xff\xfe\x00text")
    assert CliRunner().invoke(evaluation, ["--data", str(binary)]).exit_code == 2


def test_training_writes_model_card_and_metrics_and_keeps_all_history_without_digits(
    tmp_path: Path,
) -> None:
    data = _file(tmp_path, "text,leaf,priority\n3号楼13900000000路灯不亮,grid.street_lighting,P3\n")
    home = tmp_path / "home"
    corrections = tmp_path / "corrections.csv"
    corrections.write_text("text,leaf\n绿化带枯了,grid.greening\n", encoding="utf-8")
    files = ["--data", str(data), "--data", str(corrections)]
    result = CliRunner().invoke(training, [*files, "--home", str(home)])
    assert result.exit_code == 0, result.output
    card = json.loads((home / "card.json").read_text(encoding="utf-8"))
    metrics = json.loads((home / "metrics.json").read_text(encoding="utf-8"))
    assert (home / f"model-{card['version']}.npz").exists()
    assert metrics.keys() == KEYS
    history = (home / "history.jsonl").read_text(encoding="utf-8")
    assert "139" not in history
    assert "路灯不亮" in history
    assert "绿化带枯了" in history
    assert card["leads_wanted"].keys() == set(Category)


@pytest.mark.parametrize(
    "content", ["text\nx\n", "text,leaf\nx,no.leaf\n", "text,leaf,priority\nx,grid.greening,P7\n"]
)
def test_a_bad_history_changes_nothing(tmp_path: Path, content: str) -> None:
    home = tmp_path / "home"
    result = CliRunner().invoke(
        training, ["--data", str(_file(tmp_path, content)), "--home", str(home)]
    )
    assert result.exit_code == 2
    assert result.stderr.strip()
    assert not list(home.iterdir())
