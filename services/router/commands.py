"""The commands of who looks after the router: its registers, another policy, its derived rows.

    python -m services.router registers …      (see `register_commands.py`)
    python -m services.router webhooks …       (see `webhook_commands.py`)
    python -m services.router backtest --policy DIR [--last N] [--on DAY] [--format text|json]
    python -m services.router rederive [--dry-run]
    python -m services.router reconcile [--changed] [--repair] [--format text|json]

What cannot be done ends with a sentence and exit code 2.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.router import backtest as trying
from services.router.domain.conservation import Gap, Whereabouts
from services.router.domain.routing import Rules
from services.router.policy.loading import POLICY_DIRECTORY
from services.router.reconcile import EVERY, ON_ITS_WAY, keep, reconcile, repair
from services.router.rederive import rederive
from services.router.register_commands import policy_in, registers
from services.router.storage.counterparts import counterparts
from services.router.webhook_commands import webhooks
from shared.calendar import SHANGHAI, load_calendar
from shared.commands import own_database
from shared.settings import load_settings

PLACE_NAMES: Final[Mapping[str, str]] = {
    Whereabouts.MANUAL: "待人工派单",
    Whereabouts.CALLER: "待补充信息",
    Whereabouts.QUEUE: "在单位队列",
    Whereabouts.SUSPENDED: "已挂账",
    Whereabouts.ANSWERED: "已答复",
    Whereabouts.CLOSED: "已办结",
    Whereabouts.REDIRECTED: "已转出",
    Whereabouts.MERGED: "已并单",
    Whereabouts.SPLIT: "已拆单",
    ON_ITS_WAY: "在途",
}
GAP_NAMES: Final[Mapping[str, str]] = {
    Gap.NO_CASE: "派单没有这件",
    Gap.NO_TICKET: "受理没有这件",
    Gap.NOT_TOLD: "受理未得知案件的最新变化",
    Gap.NOT_HEARD: "派单未得知工单已办结或重办",
    Gap.AHEAD: "派单的数据比受理旧",
    Gap.IN_NO_QUEUE: "不在任何队列",
    Gap.NO_SUCCESSOR: "并入或拆出的工单不在",
}


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


def add_commands(cli: typer.Typer) -> None:
    """Add these commands to the service's own."""
    cli.add_typer(registers, name="registers")
    cli.add_typer(webhooks, name="webhooks")
    cli.command("backtest")(run_backtest)
    cli.command("rederive")(run_rederive)
    cli.command("reconcile")(run_reconcile)


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
    with own_database("router") as database:
        found = rederive(database, _rules(), datetime.now(UTC), change=not dry_run)
    typer.echo(
        f"查看 {found.cases} 件：{'应改' if dry_run else '改了'}队列条目 {found.entries} 条、"
        f"时钟 {found.clocks} 只、列表 {found.listed} 件"
    )


def run_reconcile(
    changed: Annotated[bool, typer.Option("--changed", help="只对近两小时有变动的工单")] = False,
    mending: Annotated[bool, typer.Option("--repair", help="补发漏掉的事件，补齐队列")] = False,
    layout: Annotated[Format, typer.Option("--format", help="输出格式")] = Format.TEXT,
) -> None:
    """核对受理的每一件工单是否都有且只有一个去处；有漏的列出编号，并以退出码 1 结束。"""
    now = datetime.now(UTC)
    with own_database("router") as database:
        both = counterparts(load_settings(), database)
        try:
            found = reconcile(both, now, since=now - 2 * EVERY if changed else None)
            with database.writing() as writer:
                keep(writer, found)
            told = repair(both, _rules(), found, now) if mending and found.missed else 0
        finally:
            both.close()
    if layout is Format.JSON:
        missed = [asdict(one) for one in found.missed]
        report = {"tickets": found.tickets, "places": dict(found.places), "missed": missed}
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        for place, count in sorted(found.places.items()):
            typer.echo(f"{PLACE_NAMES[place]}  {count}")
        for one in found.missed:
            typer.echo(f"{one.number}  {GAP_NAMES[one.gap]}  最后见于：{one.last_seen}")
        typer.echo(f"{found.tickets} 件，差 {len(found.missed)} 件，用时 {found.seconds:.1f} 秒")
        if mending:
            typer.echo(f"已补发或补齐 {told} 件；十分钟后再核对一次")
    if found.missed:
        raise typer.Exit(1)


def _rules() -> Rules:
    policy = policy_in(load_settings().policy_dir or POLICY_DIRECTORY)
    return Rules(policy, load_calendar())
