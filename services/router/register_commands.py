"""The commands on the registers of places: check, import, and what people propose for them.

    python -m services.router registers check DIR
    python -m services.router registers import KIND FILE.csv [--policy DIR]
    python -m services.router registers propose NAME --street SLUG [--community CODE]
    python -m services.router registers proposals
    python -m services.router registers accept NUMBER [--policy DIR] [--last N]
    python -m services.router registers refuse NUMBER --reason WHY

What cannot be done ends with a sentence and exit code 2.
"""

import csv
import getpass
import shutil
import tempfile
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from services.router import backtest as trying
from services.router.domain.places.names import SOUND_NAME, sound_name
from services.router.domain.policy import Policy, PolicyError
from services.router.policy.imports import import_register
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.policy.places import COMPOUNDS, SOURCED
from services.router.storage.proposals import (
    Proposal,
    ProposalState,
    decide,
    open_proposal,
    open_proposals,
    propose,
)
from services.router.storage.tables import PlaceProposalRow
from shared.calendar import SHANGHAI
from shared.commands import own_database, refuse
from shared.database import Writer
from shared.settings import load_settings

SOME_REFUSED: Final = 1
"""The exit code where rows were refused and the others stand."""

registers = typer.Typer(no_args_is_help=True, help="登记册：小区、地标、飞地、道路、交口、区外。")

Directory = Annotated[
    Path | None, typer.Option("--policy", help="策略目录，缺省HOTLINE_POLICY_DIR")
]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="提议的编号")]


class Register(StrEnum):
    """The registers that can be imported."""

    COMPOUNDS = "compounds"
    LANDMARKS = "landmarks"
    ENCLAVES = "enclaves"
    ROADS = "roads"
    CROSSINGS = "crossings"
    OUTSIDE = "outside"


@registers.command("import")
def import_rows(
    register: Annotated[Register, typer.Argument(metavar="|".join(Register))],
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8或GB18030")],
    policy: Directory = None,
) -> None:
    """把一个CSV文件并入登记册：好的行生效，坏的行报出行号和原因。"""
    directory = own_directory(policy)
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


@registers.command("propose")
def propose_place(
    name: Annotated[str, typer.Argument(metavar="NAME", help="群众的叫法")],
    street: Annotated[str, typer.Option(help="街道代号")],
    community: Annotated[str | None, typer.Option(help="社区代码")] = None,
) -> None:
    """提议把一个地名登记进来，等人核定。"""
    gazetteer = policy_in(load_settings().policy_dir or POLICY_DIRECTORY).gazetteer
    known = gazetteer.communities.get(community or "")
    if street not in gazetteer.street_names or (community and not known):
        refuse("没有这个街道或社区")
    if known is not None and known.street != street:
        refuse("该街道没有这个社区")
    if not sound_name(name):
        refuse(f"名称{SOUND_NAME}")
    with own_database("router") as database, database.writing() as writer:
        propose(writer, Proposal(name, street, community, None, getpass.getuser()))
    typer.echo(f"已提议：{name}")


@registers.command("proposals")
def list_proposals() -> None:
    """列出待核定的提议。"""
    streets = policy_in(load_settings().policy_dir or POLICY_DIRECTORY).gazetteer.street_names
    with own_database("router") as database, database.reading() as reader:
        for row in open_proposals(reader):
            where = f"{streets.get(row.street, row.street)}{row.community or ''}"
            day = row.proposed_at.astimezone(SHANGHAI).date()
            typer.echo(
                f"{row.id}  {row.name}  {where}  {row.ticket or ''}  {row.proposed_by}  {day}"
            )


@registers.command("accept")
def accept(
    number: Number,
    policy: Directory = None,
    last: Annotated[int, typer.Option(min=1, help="用最近多少件工单试派")] = 10_000,
) -> None:
    """先用最近的工单试派，再把提议的小区写进登记册；派单服务重启后生效。"""
    directory = own_directory(policy)
    with own_database("router") as database, database.writing() as writer:
        row = _in_hand(writer, number)
        with tempfile.TemporaryDirectory(prefix="hotline-policy-") as scratch:
            trial = Path(shutil.copytree(directory, Path(scratch) / "policy"))
            sheet = _sheet(Path(scratch), row)
            _take(trial, sheet)
            in_force, changed = policy_in(directory), policy_in(trial)
            now = datetime.now(SHANGHAI)
            found = trying.backtest(writer, in_force, changed, last, now)
            typer.echo(trying.render(found, in_force, changed))
            _take(directory, sheet)
        decide(row, ProposalState.ACCEPTED, getpass.getuser(), "")
        name = row.name
    typer.echo(f"“{name}”已登记；派单服务重启后生效")


@registers.command("refuse")
def refuse_proposal(number: Number, reason: Annotated[str, typer.Option(help="理由")]) -> None:
    """不登记这个提议，写明理由。"""
    if not reason.strip():
        refuse("请写明理由")
    with own_database("router") as database, database.writing() as writer:
        row = _in_hand(writer, number)
        decide(row, ProposalState.REFUSED, getpass.getuser(), reason)
        name = row.name
    typer.echo(f"不登记“{name}”：{reason}")


def own_directory(policy: Path | None) -> Path:
    """The district's own policy directory; without one the command ends."""
    directory = policy or load_settings().policy_dir
    if directory is None or directory.resolve() == POLICY_DIRECTORY:
        refuse("请用 --policy 或 HOTLINE_POLICY_DIR 指明自己的策略目录：随软件发布的不就地修改")
    return directory


def policy_in(directory: Path) -> Policy:
    """The policy of a directory; its first fault ends the command."""
    try:
        return load_policy(directory)
    except PolicyError as error:
        refuse(f"{directory}：{error.sentence}")


def _in_hand(writer: Writer, number: int) -> PlaceProposalRow:
    row = open_proposal(writer, number)
    if row is None:
        refuse(f"没有待核定的提议{number}")
    return row


def _sheet(folder: Path, row: PlaceProposalRow) -> Path:
    """A proposal as a file of the register of compounds."""
    sheet = folder / f"提议{row.id}.csv"
    source = f"网格中心核定 {row.ticket or row.proposed_by}"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COMPOUNDS, "confidence"])
        writer.writerow([row.name, row.community or "", row.street, "", source, SOURCED[-1]])
    return sheet


def _take(directory: Path, sheet: Path) -> None:
    try:
        done = import_register(directory, Register.COMPOUNDS.value, sheet)
    except PolicyError as error:
        _unfit(error)
    except OSError as error:
        refuse(f"{directory}：写不了（{error.strerror}）")
    for fault in done.refused:
        _unfit(fault)


def _unfit(fault: PolicyError) -> NoReturn:
    refuse(f"登记不了：{fault.reason}")
