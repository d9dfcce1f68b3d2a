"""`make report`: the month's figures as text, CSV or a workbook."""

from pathlib import Path
from typing import Annotated

import psycopg
import typer

from deploy.figures.report import FORMATS, month_of, sections
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.postgres import database_url, libpq
from shared.settings import load_settings


def main(
    month: Annotated[str, typer.Option(help="2026-11")],
    format: Annotated[str, typer.Option(help="text, csv or xlsx")] = "text",
    out: Annotated[Path | None, typer.Option(help="the file; text may go to the screen")] = None,
) -> None:
    """Write the month's report; it only reads the views of `reporting`."""
    if format not in FORMATS:
        raise typer.BadParameter(f"text, csv or xlsx, not {format}", param_hint="--format")
    if format == "xlsx" and out is None:
        raise typer.BadParameter("a workbook needs a file", param_hint="--out")
    try:
        first = month_of(month)
    except ValueError:
        raise typer.BadParameter("a month is written 2026-11", param_hint="--month") from None
    settings = load_settings()
    policy = load_policy(settings.policy_dir or POLICY_DIRECTORY)
    databases = {name: libpq(database_url(settings, name)) for name in ("router", "intake")}
    try:
        names = {unit.slug: unit.name for unit in policy.units.values()}
        found = sections(databases, first, names)
    except psycopg.Error as error:
        typer.echo(f"数据库暂时不能读：{type(error).__name__}", err=True)
        raise typer.Exit(1) from None
    written = FORMATS[format](first, found)
    if out is None:
        typer.echo(written)
    elif isinstance(written, bytes):
        out.write_bytes(written)
    else:
        out.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
