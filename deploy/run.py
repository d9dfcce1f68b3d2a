"""`make run`: the three services and the pages on one machine, until Ctrl-C.

Starts the embedded PostgreSQL where no other is configured, migrates the databases, then runs each
service in a process of its own, which is started again when it dies and does not outlive this one;
the classifier trains its first model. A second start on the same home is refused. In a
developer's fresh home every role gets an account for the pages, with a password of its own.
"""

import fcntl
import os
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import httpx2
from honcho.manager import Manager

from deploy.stack import SERVICES
from services.desk.accounts import add_account, every_account
from shared.database import Database, migrate
from shared.postgres import database_url, running_server
from shared.roles import Role
from shared.service import prepare
from shared.settings import Settings, load_settings

READY_SECONDS: Final = 60.0
ACCOUNTS: Final = (
    ("话务员", Role.OPERATOR, None),
    ("王顶堤街道", Role.UNIT, "wangdingdi"),
    ("城管委", Role.UNIT, "urban-management"),
    ("网格中心", Role.DISPATCHER, None),
    ("督查", Role.SUPERVISOR, None),
)
"""Who may sign in to a developer's fresh pages: name, role, unit."""


def main() -> int:
    """Run until a signal; 1 where another one runs on this home already."""
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"hotline already runs on {settings.home.resolve()}.", file=sys.stderr)
            return 1
        return run(settings)


def run(settings: Settings) -> int:
    """Keep every service running until a signal."""
    keep = f"exec {sys.executable} -m deploy.keep {os.getpid()} {sys.executable}"
    with running_server(settings):
        for service in SERVICES:
            prepare(settings, service)
        migrate(settings, "desk")
        accounts = first_accounts(settings) if settings.oidc_issuer is None else ()
        manager = Manager()
        for service in SERVICES:
            manager.add_process(service, f"{keep} -m services.{service} all")
        manager.add_process("desk", f"{keep} -m services.desk api")
        threading.Thread(target=announce, args=(settings, accounts), daemon=True).start()
        manager.loop()
    return int(manager.returncode or 0)


def first_accounts(settings: Settings) -> Sequence[tuple[str, str]]:
    """Names and passwords for each role where nobody has an account yet; else nothing.

    The passwords are written to `accounts.txt` in the home, for its owner alone.
    """
    database = Database(database_url(settings, "desk"))
    try:
        with database.writing() as writer:
            if every_account(writer):
                return ()
            made = [(name, secrets.token_urlsafe(9)) for name, _, _ in ACCOUNTS]
            for (name, role, unit), (_, password) in zip(ACCOUNTS, made, strict=True):
                now = datetime.now(UTC)
                add_account(writer, name, role, unit, password, now, must_change=False)
    finally:
        database.close()
    kept = settings.home / "accounts.txt"
    kept.touch(mode=0o600)
    kept.write_text("".join(f"{name} {password}\n" for name, password in made), encoding="utf-8")
    return made


def announce(settings: Settings, accounts: Sequence[tuple[str, str]]) -> None:
    """Print the addresses once every service is ready."""
    addresses = {name: f"http://{settings.host}:{settings.port_of(name)}" for name in SERVICES}
    if not all(wait_ready(address) for address in addresses.values()):
        print("Not every service became ready; see the log above.", flush=True)
        return
    lines = [f"  {name:<11} {address}   API: {address}/docs" for name, address in addresses.items()]
    print(
        "\nhotline is ready.\n"
        + "\n".join(lines)
        + "".join(f"\n  {line}" for line in way_in(settings, accounts))
        + "\n  Ctrl-C stops everything.\n",
        flush=True,
    )


def way_in(settings: Settings, accounts: Sequence[tuple[str, str]]) -> Sequence[str]:
    """How people and programs get in: what is printed of it."""
    pages = f"pages       {settings.url_of('desk')}"
    if settings.oidc_issuer is not None:
        return pages, f"            tokens and sign-in: {settings.oidc_issuer}"
    return (
        "a token:    make token ROLE=operator NAME=李芳",
        "            make token ROLE=unit UNIT=wangdingdi NAME=王丽",
        pages,
        *(f"            {name}  {password}" for name, password in accounts),
        *(() if accounts else (f"            accounts: {settings.home / 'accounts.txt'}",)),
    )


def wait_ready(address: str, seconds: float = READY_SECONDS) -> bool:
    """Whether a service says that it is ready within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/readyz", timeout=5).status_code == httpx2.codes.OK:
                return True
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    return False


if __name__ == "__main__":
    sys.exit(main())
