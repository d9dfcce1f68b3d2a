"""`make token`: a bearer token signed by the secret of a developer's own home.

Where the secret was given, people and programs get theirs from whoever signs them in: one
made here would be a door past that.
"""

import sys

import typer

from shared.auth import issue_token
from shared.roles import Role
from shared.settings import load_settings


def main(role: Role, unit: str = "", name: str = "") -> None:
    """Print a token for a role; a unit's token names its unit, and any may name its bearer."""
    settings = load_settings()
    if settings.jwt_secret is not None:
        raise typer.BadParameter("HOTLINE_JWT_SECRET is given: no developer's home")
    if settings.oidc_issuer is not None:
        raise typer.BadParameter(f"tokens come from {settings.oidc_issuer}", param_hint="ROLE")
    if not name and sys.stdin.isatty():
        name = typer.prompt("NAME, as it stands in the records", default=str(role), err=True)
    try:
        print(issue_token(settings, role, unit=unit or None, name=name or None))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="UNIT") from None


if __name__ == "__main__":
    typer.run(main)
