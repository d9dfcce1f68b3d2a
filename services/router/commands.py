"""The commands of who looks after the router: its registers, another policy, its derived rows.

    python -m services.router registers …      (see `register_commands.py`)
    python -m services.router backtest --policy DIR [--last N] [--on DAY] [--format text|json]
    python -m services.router rederive [--dry-run]

What cannot be done ends with a sentence and exit code 2.
"""

from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.router import backtest as trying
from services.router.domain.routing import Rules
from services.router.policy.loading import POLICY_DIRECTORY
from services.router.rederive import rederive
from services.router.register_commands import policy_in, registers
from shared.calendar import SHANGHAI, load_calendar
from shared.commands import own_database
from shared.settings import load_settings


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


def add_commands(cli: typer.Typer) -> None:
    """Add these commands to the service's own."""
    cli.add_typer(registers, name="registers")
    cli.command("backtest")(run_backtest)
    cli.command("rederive")(run_rederive)


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


def run_rederive(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只数，不改")] = False,
) -> None:
    """升级后按现行规则重新推出单位队列、时钟和列表；服务可以照常运行。"""
    policy = policy_in(load_settings().policy_dir or POLICY_DIRECTORY)
    rules = Rules(policy, load_calendar())
    with own_database("router") as database:
        found = rederive(database, rules, datetime.now(UTC), change=not dry_run)
    typer.echo(
        f"查看 {found.cases} 件：{'应改' if dry_run else '改了'}队列条目 {found.entries} 条、"
        f"时钟 {found.clocks} 只、列表 {found.listed} 件"
    )
