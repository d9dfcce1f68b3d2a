"""The commands on the secrets of webhooks: with which key they are sealed, and another one.

    python -m services.router webhooks status
    python -m services.router webhooks rotate

What cannot be done ends with a sentence and exit code 2.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

import typer

from services.router.storage.webhook_secrets import (
    in_plain,
    kept_secrets,
    opened,
    seal_anew,
    webhook_seals,
)
from shared.commands import own_database, refuse
from shared.sealing import MARK_BYTES, VERSION, WITHOUT_ID, SealError, Seals
from shared.settings import load_settings

webhooks = typer.Typer(no_args_is_help=True, help="推送签名密钥的封存。")


@webhooks.command("rotate")
def rotate() -> None:
    """用现用密钥（第一把）重新封存全部签名密钥；服务照常运行，中断后再运行即接着做。"""
    with own_database("router") as database, _opening() as seals:
        for done in seal_anew(database, seals):
            typer.echo(f"已重新封存 {done}")
    status()


@webhooks.command("status")
def status() -> None:
    """各把密钥各封存多少个签名密钥，并逐个试着打开。"""
    with own_database("router") as database, _opening() as seals:
        with database.reading() as reader:
            kept = kept_secrets(reader)
        for webhook, secret in kept:
            opened(seals, webhook, secret)
    found = Counter(_sealed_by(secret, seals) for _, secret in kept)
    for which, secrets in sorted(found.items()):
        typer.echo(f"{which}：{secrets} 个")
    typer.echo(f"共 {len(kept)} 个，全部可以打开")


def _sealed_by(secret: bytes, seals: Seals) -> str:
    if in_plain(secret):
        return "未封存"
    mark = secret[:MARK_BYTES] if secret[:1] == VERSION else WITHOUT_ID
    which = "现用密钥" if mark == seals.mark else "其他密钥"
    return f"{which} {mark[len(VERSION) :].hex() or '未编号'}"


@contextlib.contextmanager
def _opening() -> Iterator[Seals]:
    """The seals; what does not open ends the command with a sentence."""
    try:
        yield webhook_seals(load_settings())
    except SealError as error:
        refuse(f"有一个签名密钥打不开，请检查 HOTLINE_WEBHOOK_KEY 是否包含全部密钥：{error}")
