"""Models side by side: who chooses, compares and undoes, and what is refused."""

import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from services.classifier.choices import before, begin_with, choose_shadow, present_choice
from services.classifier.home import card_file, model_file
from services.classifier.tables import ChoiceRow
from shared.database import Database
from shared.postgres import database_url
from shared.service import prepare
from shared.settings import Settings
from tests.classifier.bench import new_number
from tests.classifier.live_bench import LIGHT, Live, run_command
from tests.conftest import drop_databases, own_databases


def test_a_rollback_puts_the_model_before_back_in_use_and_says_who_did_it(live: Live) -> None:
    live.run("models", "promote", live.second.version, "--by", "王五")
    result = live.run("models", "rollback", "--by", "赵六")
    assert result.exit_code == 0
    assert live.leaf_of(new_number()) == LIGHT
    rows = live.bench.rows("SELECT deed, active, actor FROM model_choice ORDER BY id")
    assert rows == [
        ("start", live.first.version, "classifier"),
        ("promote", live.second.version, "王五"),
        ("rollback", live.first.version, "赵六"),
    ]
    listed = live.run("models", "list").stdout
    assert "启用  王五" in listed
    assert "回退  赵六" in listed


def test_a_rollback_with_nothing_before_it_is_refused(live: Live) -> None:
    result = live.run("models", "rollback")
    assert (result.exit_code, result.stderr) == (
        2,
        f"在 {live.first.version} 之前没有用过别的模型\n",
    )


@pytest.mark.parametrize(
    ("deeds", "expected"),
    [
        ("", None),
        ("start:a", None),
        ("start:a shadow:a", None),
        ("start:a promote:b", "a"),
        ("start:a promote:b shadow:b promote:c", "b"),
        ("start:a promote:b promote:c rollback:b", "a"),
        ("start:a promote:b rollback:a", None),
        ("start:a promote:b rollback:a promote:c", "a"),
        ("promote:c rollback:b", None),
        ("promote:c rollback:b promote:d", "b"),
    ],
)
def test_a_rollback_never_returns_to_what_was_rolled_back(deeds: str, expected: str | None) -> None:
    choices = [
        ChoiceRow(deed=deed, active=active, actor="x", at=datetime.now(UTC))
        for deed, active in (each.split(":") for each in deeds.split())
    ]
    assert before(choices) == expected


def test_another_models_file_under_a_version_is_not_that_version(live: Live) -> None:
    first, second = (model_file(live.home, m.version) for m in (live.first, live.second))
    shutil.copy(first, second)
    result = live.run("models", "promote", live.second.version)
    assert result.exit_code == 2
    assert f"里是另一个版本 {live.first.version}" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("models", "promote", "0123456789ab"),
        ("models", "promote", "../../etc/passwd"),
        ("models", "shadow", "0123456789ab"),
        ("backtest", "--model", "0123456789ab", "--last", "5"),
    ],
)
def test_a_version_nobody_has_is_one_sentence_and_exit_code_2(
    live: Live, command: tuple[str, ...]
) -> None:
    result = live.run(*command)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert live.first.version in result.stderr
    assert live.second.version in result.stderr
    assert len(live.bench.rows("SELECT 1 FROM model_choice")) == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("models", "promote", "{first}"), "已经是现用模型"),
        (("models", "shadow", "{first}"), "不能同时作影子"),
        (("models", "shadow"), "--off"),
        (("models", "shadow", "{second}", "--off"), "--off"),
        (("models", "shadow", "--off"), "本来就没有影子"),
        (("models", "compare"), "没有影子模型"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    live: Live, command: tuple[str, ...], says: str
) -> None:
    versions = {"first": live.first.version, "second": live.second.version}
    result = live.run(*(word.format(**versions) for word in command))
    assert (result.exit_code, says in result.stderr) == (2, True)
    assert len(live.bench.rows("SELECT 1 FROM model_choice")) == 1


def test_a_database_without_the_tables_is_a_sentence(server: Settings, tmp_path: Path) -> None:
    settings = own_databases(server, tmp_path)
    prepare(settings, "classifier")
    database = Database(database_url(settings, "classifier"))
    with database.writing() as writer:
        writer.execute(text("DROP TABLE model_choice"))
    database.close()
    result = run_command(settings, "models", "list")
    assert result.exit_code == 2
    assert result.stderr.startswith("数据库不能用，或还没有 migrate")
    drop_databases(settings, server)


def test_the_model_over_http_shows_both_models_and_who_chose(live: Live) -> None:
    card = '{"messages": 7, "cross_validation": {"leaf_strict": 0.5, "category_strict": 0.6}}'
    card_file(live.home, live.second.version).write_text(card)
    live.run("models", "shadow", live.second.version, "--by", "王五")
    shown = live.bench.get("/model").json()
    assert (shown["version"], shown["chosen"], shown["card"]) == (
        live.first.version,
        live.first.version,
        {},
    )
    assert shown["shadow"]["version"] == live.second.version
    assert shown["shadow"]["metrics"] == {"leaf_strict": 0.5, "category_strict": 0.6}
    assert shown["chosen_by"] == "王五"
    assert shown["chosen_at"].endswith("+08:00")
    listed = live.run("models", "list").stdout
    assert "7 件，交叉验证：类别 0.600，事项 0.500" in listed


def test_two_who_choose_at_once_choose_one_after_the_other(live: Live) -> None:
    done: list[str] = []

    def choose(name: str) -> None:
        with live.database.writing() as writer:
            choose_shadow(writer, name, name, datetime.now(UTC))
        done.append(name)

    with live.database.writing() as writer:
        choose_shadow(writer, "x", "x", datetime.now(UTC))
        other = threading.Thread(target=choose, args=("y",))
        other.start()
        other.join(timeout=0.3)
        assert not done
        with live.database.reading() as reader:
            assert present_choice(reader) is not None
    other.join(timeout=5)
    with live.database.reading() as reader:
        choice = present_choice(reader)
    assert choice is not None
    assert choice.shadow == "y"


def test_the_first_choice_of_another_process_holds(live: Live) -> None:
    with live.database.writing() as writer:
        choice = begin_with(writer, live.second.version, datetime.now(UTC))
    assert choice.active == live.first.version
