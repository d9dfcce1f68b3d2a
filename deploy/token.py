"""`make token`: a bearer token signed by this installation's own secret."""

import typer

from shared.auth import issue_token
from shared.roles import Role
from shared.settings import load_settings


def main(role: Role, unit: str = "", name: str = "") -> None:
    """Print a token for a role; a unit's token names its unit."""
    settings = load_settings()
    if settings.oidc_issuer is not None:
        raise typer.BadParameter(f"tokens come from {settings.oidc_issuer}", param_hint="ROLE")
    try:
        print(issue_token(settings, role, unit=unit or None, name=name or None))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="UNIT") from None


if __name__ == "__main__":
    typer.run(main)
