"""Seals: what only the holder of a key reads, under the name it was sealed for (AES-256-GCM).

Of several keys the first seals and each opens, so that a key changes while everything runs. Where
there are several, a seal names its key.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.secrets import ID_BYTES, key_id

NONCE_BYTES: Final = 12
VERSION: Final = b"\x02"
"""First byte of a sealed value, before its key's id and the nonce."""
WITHOUT_ID: Final = b"\x01"
"""The layout where there is one key only, as it always was: the nonce follows at once."""
MARK_BYTES: Final = len(VERSION) + ID_BYTES


class SealError(Exception):
    """A sealed value does not open: wrong key, wrong name, or tampered with."""


class Seals:
    """Seals with the first of some keys, and opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._cipher = AESGCM(keys[0])
        self.mark = VERSION + key_id(keys[0]) if len(keys) > 1 else WITHOUT_ID
        """How everything begins that is sealed now."""

    def wrap(self, name: str, plain: bytes) -> bytes:
        """A secret, sealed so that it opens under this name alone."""
        nonce = os.urandom(NONCE_BYTES)
        return self.mark + nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def unwrap(self, name: str, sealed: bytes) -> bytes:
        """What was sealed under this name. Raises SealError."""
        start = MARK_BYTES if sealed[:1] == VERSION else len(WITHOUT_ID)
        nonce, cipher = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
        for key in self._keys_of(sealed):
            with contextlib.suppress(InvalidTag, ValueError):
                return key.decrypt(nonce, cipher, name.encode())
        raise SealError(f"what is sealed as {name} does not open")

    def _keys_of(self, sealed: bytes) -> Sequence[AESGCM]:
        """The keys that may have sealed it."""
        if sealed[:1] == WITHOUT_ID:
            return [*self._ciphers.values()]
        key = self._ciphers.get(sealed[1 : 1 + ID_BYTES])
        return [key] if key is not None and sealed[:1] == VERSION else []
