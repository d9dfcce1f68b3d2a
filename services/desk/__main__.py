"""`python -m services.desk`: serve the pages, and look after who may sign in."""

from datetime import UTC, datetime
from typing import Annotated

import typer
import uvicorn

from services.desk.accounts import (
    AccountError,
    add_account,
    disable,
    every_account,
    reset_password,
)
from services.desk.app import create_desk
from shared.commands import own_database, refuse
from shared.database import migrate
from shared.door import serving
from shared.logs import configure_logs
from shared.roles import Role
from shared.settings import load_settings

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="话务员、单位、网格中心、督查的页面"
)
accounts = typer.Typer(no_args_is_help=True, help="谁可以登录页面")
cli.add_typer(accounts, name="accounts")

Password = Annotated[
    str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="首次密码")
]


@cli.command("migrate")
def run_migrate() -> None:
    """Bring the desk's database to its newest schema."""
    migrate(load_settings(), "desk")


@cli.command("api")
def run_api(port: int = 0) -> None:
    """Serve the pages."""
    settings = load_settings()
    configure_logs("desk", settings.log_level)
    uvicorn.run(
        create_desk(settings),
        host=settings.host,
        port=port or settings.desk_port,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        **serving(),
    )


@accounts.command("add")
def run_add(name: str, role: Role, password: Password, unit: str = "") -> None:
    """A new account; its first password has to be changed when it is used."""
    with own_database("desk") as database, database.writing() as writer:
        try:
            add_account(writer, name, role, unit or None, password, datetime.now(UTC))
        except AccountError as error:
            refuse(f"{error}。")


@accounts.command("reset")
def run_reset(name: str, password: Password) -> None:
    """A first password again; whoever is signed in with the account is signed out."""
    with own_database("desk") as database, database.writing() as writer:
        try:
            reset_password(writer, name, password)
        except AccountError as error:
            refuse(f"{error}。")


@accounts.command("disable")
def run_disable(name: str) -> None:
    """Let an account sign in no more."""
    with own_database("desk") as database, database.writing() as writer:
        try:
            disable(writer, name)
        except AccountError as error:
            refuse(f"{error}。")


@accounts.command("list")
def run_list() -> None:
    """Every account: name, role, unit."""
    with own_database("desk") as database, database.reading() as reader:
        for account in every_account(reader):
            state = "（停用）" if account.disabled else ""
            typer.echo(f"{account.name}\t{account.role}\t{account.unit or ''}{state}")


if __name__ == "__main__":
    cli()
