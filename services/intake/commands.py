"""The commands of who looks after the persons in intake: erase one, and see what was erased.

    python -m services.intake erase NUMBER... --reason ...
    python -m services.intake erase --phone PHONE --reason ...
    python -m services.intake erasures
    python -m services.intake vault status
    python -m services.intake vault rotate

What cannot be done ends with a sentence and exit code 2; tickets that have not ended, with 1.
"""

import contextlib
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from sqlmodel import col, select

from services.intake.erasing import Erased, erase_on_request, tickets_of, with_parts
from services.intake.rotation import rotate, sample_opens, sealed_by
from services.intake.tables import ErasureRow
from services.intake.vault import Vault
from shared.calendar import SHANGHAI
from shared.commands import own_database, refuse
from shared.sealing import VERSION, SealError
from shared.settings import load_settings

WHAT: Final = {Erased.CONTACT: "联系方式和原话", Erased.ALL: "联系方式、原话和全部文字"}


def add_commands(cli: typer.Typer) -> None:
    """Add these commands to the service's own."""
    cli.command("erase")(run_erase)
    cli.command("erasures")(run_erasures)
    keys = typer.Typer(no_args_is_help=True, help="联系方式的密钥")
    keys.command("rotate")(run_rotate)
    keys.command("status")(run_status)
    cli.add_typer(keys, name="vault")


def run_erase(
    reason: Annotated[str, typer.Option(help="依据，如本人申请的编号；随记录保存")],
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER")] = None,
    phone: Annotated[str, typer.Option(help="这个号码来电的全部工单")] = "",
    by: Annotated[str, typer.Option(help="经办人，缺省为登录名")] = "",
) -> None:
    """应本人要求，删除已办结工单的联系方式、原话、来电指纹和文字，各处副本一并删除。"""
    if bool(numbers) == bool(phone) or not reason.strip():
        refuse("请写明工单号或 --phone 之一，并写明依据")
    with own_database("intake") as database:
        with database.reading() as reader:
            if phone:
                chosen = tickets_of(reader, Vault(load_settings()).fingerprints(phone))
            else:
                chosen = with_parts(reader, numbers or ())
        who = by.strip() or getpass.getuser()
        done = erase_on_request(database, chosen, who, reason.strip(), datetime.now(UTC))
    for number in done.erased:
        typer.echo(f"{number}  已删除")
    for number in done.open:
        typer.echo(f"{number}  没有删除：不存在、未办结，或此前已删除")
    typer.echo(
        f"删除 {len(done.erased)} 件；分类、派单和各单位队列的副本随后删除，总线日志到期自清"
    )
    if done.open:
        raise typer.Exit(1)


def run_rotate() -> None:
    """用现用密钥（第一把）重新封存全部联系方式；服务照常运行，中断后再运行即接着做。"""
    with own_database("intake") as database, _opening() as vault:
        for done in rotate(database, vault):
            typer.echo(f"已重新封存 {done}")
    run_status()


def run_status(sample: Annotated[int, typer.Option(min=0, help="抽查多少条")] = 1000) -> None:
    """各把密钥各封存多少条，并抽查能否打开。"""
    with own_database("intake") as database, _opening() as vault, database.reading() as reader:
        found = sealed_by(reader)
        opened = sample_opens(reader, vault, sample)
    for mark, rows in sorted(found.items(), key=lambda each: each[0] != vault.mark):
        which = "现用密钥" if mark == vault.mark else "其他密钥"
        typer.echo(f"{which} {mark[len(VERSION) :].hex() or '未编号'}：{rows} 条")
    typer.echo(f"抽查 {opened} 条，全部可以打开")


@contextlib.contextmanager
def _opening() -> Iterator[Vault]:
    """The vault; what does not open ends the command with a sentence."""
    try:
        yield Vault(load_settings())
    except SealError as error:
        refuse(f"有一条联系方式打不开，请检查 HOTLINE_VAULT_KEY 是否包含全部密钥：{error}")


def run_erasures(last: Annotated[int, typer.Option(min=1, help="最近多少次")] = 50) -> None:
    """删除的记录：何时、何人、何依据、删了什么、多少件。"""
    query = select(ErasureRow).order_by(col(ErasureRow.id).desc()).limit(last)
    with own_database("intake") as database, database.reading() as reader:
        for row in reader.execute(query).scalars():
            shown = "、".join(row.numbers[:5]) + ("…" if len(row.numbers) > 5 else "")
            at = row.at.astimezone(SHANGHAI)
            typer.echo(
                f"{at:%Y-%m-%d %H:%M}  {row.by_}  {row.reason}  {WHAT[Erased(row.what)]}"
                f"  {len(row.numbers)} 件：{shown}"
            )
