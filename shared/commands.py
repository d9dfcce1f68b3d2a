"""What commands of several services share: their database, and how they end with a sentence."""

import contextlib
from collections.abc import Iterator
from typing import NoReturn

import typer
from sqlalchemy.exc import DBAPIError

from shared.database import Database
from shared.postgres import database_url
from shared.settings import load_settings


def refuse(sentence: str) -> NoReturn:
    """End the command with a sentence and exit code 2."""
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


@contextlib.contextmanager
def own_database(service: str) -> Iterator[Database]:
    """A service's database for a command; what goes wrong with it becomes a sentence."""
    database = Database(database_url(load_settings(), service))
    try:
        yield database
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        refuse(f"数据库不能用，或还没有 migrate：{reason}")
    finally:
        database.close()
