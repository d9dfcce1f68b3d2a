"""The commands of who looks after the models: choose, compare, try out, and learn from people.

    python -m services.classifier models list|shadow|compare|promote|rollback
    python -m services.classifier backtest --model VERSION --last N
    python -m services.classifier corrections export FILE.csv

The running service follows a choice within seconds. What cannot be done ends with a
sentence and exit code 2.
"""

import contextlib
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.classifier import backtest as trying
from services.classifier import compare as comparing
from services.classifier.choices import (
    ChoiceError,
    Deed,
    all_choices,
    choose_shadow,
    present_choice,
    promote,
    roll_back,
)
from services.classifier.corrections import export
from services.classifier.home import classifier_home, kept_versions, model_file
from services.classifier.kept import card_of, kept_model
from services.classifier.model import ModelError
from services.classifier.tables import ChoiceRow
from shared.calendar import SHANGHAI
from shared.commands import own_database as database_of
from shared.commands import refuse
from shared.database import Database

DEEDS = {
    Deed.START: "首次启动",
    Deed.SHADOW: "设影子",
    Deed.PROMOTE: "启用",
    Deed.ROLLBACK: "回退",
}
RECENT = 10
"""How many of the last choices are shown."""

models = typer.Typer(no_args_is_help=True, help="模型：现用、影子、比较、启用、回退。")
corrections = typer.Typer(no_args_is_help=True, help="人工判定。")

Version = Annotated[str, typer.Argument(metavar="VERSION", help="模型版本，见 models list")]
Actor = Annotated[str, typer.Option("--by", help="谁作的决定")]


def add_commands(cli: typer.Typer) -> None:
    """Add these commands to the service's own."""
    cli.add_typer(models, name="models")
    cli.add_typer(corrections, name="corrections")
    cli.command("backtest")(run_backtest)


@models.command("list")
def list_models() -> None:
    """列出保存的模型和最近的决定。"""
    home = classifier_home()
    with own_database() as database, database.reading() as reader:
        choices = all_choices(reader)
    present = choices[-1] if choices else None
    kept = kept_versions(home)
    chosen = [present.active, present.shadow] if present else []
    for version in [*kept, *(v for v in chosen if v and v not in kept)]:
        typer.echo(_line(home, version, present, there=version in kept))
    if not kept:
        typer.echo("还没有模型：请先训练，或启动一次分类服务")
    for choice in choices[-RECENT:]:
        shadow = f"，影子 {choice.shadow}" if choice.shadow else ""
        typer.echo(
            f"{_local(choice.at)}  {DEEDS[Deed(choice.deed)]}  {choice.actor}"
            f"  现用 {choice.active}{shadow}"
        )


@models.command("shadow")
def set_shadow(
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]")] = None,
    off: Annotated[bool, typer.Option("--off", help="不再要影子")] = False,
    by: Actor = "",
) -> None:
    """让一个模型在旁边判同样的工单，不影响任何结果；--off 撤下它。"""
    if (version is None) != off:
        refuse("请给出模型版本，或用 --off 撤下影子")
    if version is not None:
        _prove(version)
    with own_database() as database, database.writing() as writer:
        choice = choose_shadow(writer, version, by or getpass.getuser(), datetime.now(UTC))
    typer.echo(f"现用 {choice.active}，影子 {choice.shadow or '无'}")


@models.command("compare")
def compare_models() -> None:
    """影子与现用模型在同样工单上的异同。"""
    with own_database() as database, database.reading() as reader:
        choice = present_choice(reader)
        if choice is None or choice.shadow is None:
            refuse("没有影子模型：先用 models shadow VERSION 设一个")
        found = comparing.compare(reader, choice.active, choice.shadow)
    typer.echo(comparing.render(found, choice.active, choice.shadow))


@models.command("promote")
def promote_model(version: Version, by: Actor = "") -> None:
    """启用一个模型；运行中的服务几秒内切换。"""
    _prove(version)
    with own_database() as database, database.writing() as writer:
        choice = promote(writer, version, by or getpass.getuser(), datetime.now(UTC))
    typer.echo(f"现用 {choice.active}，影子 {choice.shadow or '无'}")


@models.command("rollback")
def roll_back_model(by: Actor = "") -> None:
    """回到上一个现用模型。"""
    with own_database() as database, database.writing() as writer:
        choice = roll_back(writer, by or getpass.getuser(), datetime.now(UTC))
        _prove(choice.active)
    typer.echo(f"现用 {choice.active}，影子 {choice.shadow or '无'}")


def run_backtest(
    version: Annotated[str, typer.Option("--model", help="模型版本，见 models list")],
    last: Annotated[int, typer.Option(min=1, help="最近多少件工单")] = 10_000,
) -> None:
    """用一个模型重判最近的工单，看哪些会变动；什么也不改。"""
    try:
        model = kept_model(classifier_home(), version)
    except ModelError as error:
        refuse(str(error))
    with own_database() as database, database.reading() as reader:
        found = trying.backtest(reader, model, last)
    typer.echo(trying.render(found, version))


@corrections.command("export")
def export_corrections(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="写到哪里")],
) -> None:
    """把人工判定写成 CSV，可直接交给 train --data。"""
    with own_database() as database, database.reading() as reader:
        try:
            count = export(reader, file)
        except OSError as error:
            refuse(f"{file}：写不了（{error.strerror}）")
    typer.echo(f"{count} 件人工判定：{file}")


@contextlib.contextmanager
def own_database() -> Iterator[Database]:
    """The classifier's database for a command; a choice that cannot be is a sentence too."""
    with database_of("classifier") as database:
        try:
            yield database
        except ChoiceError as error:
            refuse(str(error))


def _prove(version: str) -> None:
    """Refuse a model that the service could not use."""
    try:
        kept_model(classifier_home(), version)
    except ModelError as error:
        refuse(str(error))


def _line(home: Path, version: str, present: ChoiceRow | None, *, there: bool) -> str:
    role = "　　"
    if present and version in (present.active, present.shadow):
        role = "现用" if version == present.active else "影子"
    if not there:
        return f"{version}  {role}  文件不在"
    trained = datetime.fromtimestamp(model_file(home, version).stat().st_mtime, UTC)
    card = card_of(home, version)
    figures = card.get("cross_validation", {})
    learned = (
        f"  {card['messages']} 件，交叉验证：类别 {figures['category_strict']:.3f}，"
        f"事项 {figures['leaf_strict']:.3f}"
        if figures
        else ""
    )
    return f"{version}  {role}  {_local(trained)}{learned}"


def _local(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
