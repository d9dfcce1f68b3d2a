"""Local secrets: taken from the environment, or made on first run and kept under the home.

A secret is one key or several: the first is used, the others are what it replaces and still
open what was made with them. That is how a key changes while every process goes on.
"""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from pydantic import SecretStr

KEY_BYTES = 32
ID_BYTES = 4


def local_keys(home: Path, name: str, given: SecretStr | None) -> tuple[bytes, ...]:
    """32-byte keys, the one to use first: of `given`, else those stored as `name`.

    Each is 64 hexadecimal digits; blanks part them. The stored key is made on first use,
    readable by its owner only; of several processes that start at once all get the same key.
    Raises ValueError where one is no such key, or there is none.
    """
    if given is not None:
        return _parse(given.get_secret_value(), name)
    path = home / "secrets" / name
    if not path.exists():
        _create(path)
    return _parse(path.read_text(), name)


def key_id(key: bytes) -> bytes:
    """What a key is called where it was used; says nothing of the key."""
    return hashlib.sha256(b"hotline key id\0" + key).digest()[:ID_BYTES]


def _parse(text: str, name: str) -> tuple[bytes, ...]:
    try:
        keys = tuple(bytes.fromhex(word) for word in text.split())
    except ValueError:
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"secret {name} is not {2 * KEY_BYTES} hexadecimal digits, once or more")
    return keys


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
