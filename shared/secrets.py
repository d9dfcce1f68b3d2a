"""Local secrets: taken from the environment, or made on first run and kept under the home."""

import os
import secrets
import tempfile
from pathlib import Path

from pydantic import SecretStr

KEY_BYTES = 32


def local_secret(home: Path, name: str, given: SecretStr | None) -> bytes:
    """A 32-byte key: `given` as 64 hexadecimal digits, else the one stored as `name`.

    The stored key is made on first use, readable by its owner only; of several processes
    that start at once all get the same key. Raises ValueError where `given` is no such key.
    """
    if given is not None:
        return _parse(given.get_secret_value(), name)
    path = home / "secrets" / name
    if not path.exists():
        _create(path)
    return _parse(path.read_text(), name)


def _parse(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"secret {name} is not {2 * KEY_BYTES} hexadecimal digits")
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
