"""The commands of who looks after the policy: fill its registers, and try a changed one.

    python -m services.router registers import KIND FILE.csv [--policy DIR]
    python -m services.router registers check DIR
    python -m services.router backtest --policy DIR [--last N] [--on DAY] [--format text|json]

What cannot be done ends with a sentence and exit code 2.
"""

from datetime import datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.router import backtest as trying
from services.router.domain.policy import Policy, PolicyError
from services.router.policy.imports import REGISTERS, import_register
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.calendar import SHANGHAI
from shared.commands import own_database, refuse
from shared.settings import load_settings

SOME_REFUSED = 1
"""The exit code where rows were refused and the others stand."""

registers = typer.Typer(
    no_args_is_help=True, help="登记册：小区、地标、飞地、道路、交口、区外地点。"
)


class Register(StrEnum):
    """The registers that can be imported."""

    COMPOUNDS = "compounds"
    LANDMARKS = "landmarks"
    ENCLAVES = "enclaves"
    ROADS = "roads"
    CROSSINGS = "crossings"
    OUTSIDE = "outside"


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


def add_commands(cli: typer.Typer) -> None:
    """Add these commands to the service's own."""
    cli.add_typer(registers, name="registers")
    cli.command("backtest")(run_backtest)


@registers.command("import")
def import_rows(
    register: Annotated[Register, typer.Argument(metavar="|".join(REGISTERS))],
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8或GB18030")],
    policy: Annotated[
        Path | None, typer.Option("--policy", help="策略目录，缺省为HOTLINE_POLICY_DIR")
    ] = None,
) -> None:
    """把一个CSV文件并入登记册：好的行生效，坏的行报出行号和原因。"""
    directory = policy or load_settings().policy_dir
    if directory is None or directory.resolve() == POLICY_DIRECTORY:
        refuse("请用 --policy 或 HOTLINE_POLICY_DIR 指明自己的策略目录：随软件发布的不就地修改")
    try:
        done = import_register(directory, register.value, file)
    except PolicyError as error:
        refuse(error.sentence)
    except OSError as error:
        refuse(f"{directory}：写不了（{error.strerror}）")
    for fault in done.refused:
        typer.echo(fault.sentence)
    typer.echo(f"新增 {done.added} 行，替换 {done.replaced} 行，拒绝 {len(done.refused)} 行")
    typer.echo(f"策略版本 {done.version}；派单服务重启后生效")
    if done.refused:
        raise typer.Exit(SOME_REFUSED)


@registers.command("check")
def check(directory: Annotated[Path, typer.Argument(metavar="DIR", help="策略目录")]) -> None:
    """检查一个策略目录能否启用。"""
    policy = policy_in(directory)
    roads = sum(len(ranges) for ranges in policy.gazetteer.roads.values())
    typer.echo(
        f"策略 {policy.version} 可以启用：单位 {len(policy.units)} 个，"
        f"事项 {len(policy.responsibility)} 项，门牌号段 {roads} 段"
    )


def run_backtest(
    policy: Annotated[Path, typer.Option("--policy", help="要试的策略目录")],
    last: Annotated[int, typer.Option(min=1, help="最近多少件工单")] = 10_000,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="当作这一天收到，缺省为今天"),
    ] = None,
    layout: Annotated[Format, typer.Option("--format", help="输出格式")] = Format.TEXT,
) -> None:
    """用一套策略重派最近的工单，看哪些会变动；什么也不改。"""
    in_force = policy_in(load_settings().policy_dir or POLICY_DIRECTORY)
    changed = policy_in(policy)
    now = datetime.now(SHANGHAI)
    at = datetime.combine(on.date(), time(12), SHANGHAI) if on else now
    with own_database("router") as database, database.reading() as reader:
        found = trying.backtest(reader, in_force, changed, last, at)
    write = trying.as_json if layout is Format.JSON else trying.render
    typer.echo(write(found, in_force, changed))


def policy_in(directory: Path) -> Policy:
    """The policy of a directory; its first fault ends the command."""
    try:
        return load_policy(directory)
    except PolicyError as error:
        refuse(f"{directory}：{error.sentence}")
