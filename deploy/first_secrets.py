"""`make up`: the secrets of a new installation, each in a file of its own, made once.

What is there already stays: who loses the vault key loses every caller's name and phone.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("secrets")


def main(folder: Path = FOLDER) -> None:
    """Make what is missing. The folder is its owner's; a container reads the files as another."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, make in _makers(folder).items():
        path = folder / name
        if path.exists():
            continue
        path.touch(mode=0o600)
        path.write_text(make())
        path.chmod(0o644)
        print(f"made {path}")


def _makers(folder: Path) -> Mapping[str, Callable[[], str]]:
    def database_url() -> str:
        password = (folder / "postgres_password").read_text()
        return f"postgresql://hotline:{password}@postgres/hotline"

    return {
        "postgres_password": lambda: secrets.token_urlsafe(24),
        "reporting_password": lambda: secrets.token_urlsafe(24),
        "grafana_password": lambda: secrets.token_urlsafe(24),
        "hotline_jwt_secret": lambda: secrets.token_hex(32),
        "hotline_vault_key": lambda: secrets.token_hex(32),
        "hotline_webhook_key": lambda: secrets.token_hex(32),
        # The issuer gives it, if there is one and it asks for one.
        "hotline_oidc_client_secret": lambda: "",
        "hotline_database_url": database_url,
    }


if __name__ == "__main__":
    main()
