"""The caller vault: who called, sealed with AES-256-GCM and bound to the ticket's number.

Nothing outside this service ever holds the key, and a sealed value moved to another
ticket does not open.
"""

import contextlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict

from services.intake.phones import national
from shared.redaction import redact
from shared.secrets import ID_BYTES, key_id, local_keys
from shared.settings import Settings

NONCE_BYTES: Final = 12
VERSION: Final = b"\x02"
"""First byte of a sealed value, before its key's id and the nonce."""
WITHOUT_ID: Final = b"\x01"
"""The layout where there is one key only, as it always was: the nonce follows at once."""
MARK_BYTES: Final = len(VERSION) + ID_BYTES
FINGERPRINT_BYTES: Final = 16
SHORTEST_PHONE: Final = 7
"""Digits; anything shorter is a service number or an extension, and many callers'."""


class Sealed(BaseModel):
    """What the vault keeps: the contact, and the words as they were before redaction."""

    model_config = ConfigDict(frozen=True)

    name: str | None = None
    phone: str | None = None
    text: str | None = None
    address: str | None = None

    def redact(self, words: str) -> str:
        """`words` without personal data, this caller's own name and phone included."""
        return redact(words, [self.name] if self.name else [], [self.phone] if self.phone else [])

    def amended(self, text: str | None, address: str | None) -> "Sealed":
        """With words that came later, as they were before redaction."""
        words = "\n".join(filter(None, (self.text, text)))
        return self.model_copy(update={"text": words or None, "address": address or self.address})


class VaultError(Exception):
    """A sealed value does not open: wrong key, wrong ticket, or tampered with."""


class Vault:
    """Seals with the first key of this installation, and opens with any of them."""

    def __init__(self, settings: Settings) -> None:
        keys = local_keys(settings.home, "vault", settings.vault_key)
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._fingerprint_keys = [_fingerprint_key(key) for key in keys]
        self._cipher = AESGCM(keys[0])
        self.mark = VERSION + key_id(keys[0]) if len(keys) > 1 else WITHOUT_ID
        """How everything begins that is sealed now."""

    def seal(self, number: str, content: Sealed) -> bytes:
        """The content, sealed for this ticket."""
        return self.wrap(number, content.model_dump_json(exclude_none=True).encode())

    def wrap(self, name: str, plain: bytes) -> bytes:
        """Anything that callers said, sealed so that it opens under this name alone."""
        nonce = os.urandom(NONCE_BYTES)
        return self.mark + nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def fingerprints(self, phone: str) -> tuple[bytes, ...]:
        """The same for the same phone however it is written: one of each key, the first first.

        Keyed (HMAC-SHA-256), for phones are few enough to try all of them. None where the
        phone is nobody's own.
        """
        digits = national(phone)
        if len(digits) < SHORTEST_PHONE or len(set(digits)) == 1:
            return ()
        return tuple(
            hmac.digest(key, digits.encode(), "sha256")[:FINGERPRINT_BYTES]
            for key in self._fingerprint_keys
        )

    def open(self, number: str, sealed: bytes) -> Sealed:
        """The content sealed for this ticket. Raises VaultError."""
        try:
            return Sealed.model_validate_json(self.unwrap(number, sealed))
        except ValueError as error:
            raise VaultError(f"the contact of {number} is not one") from error

    def unwrap(self, name: str, sealed: bytes) -> bytes:
        """What was sealed under this name. Raises VaultError."""
        start = MARK_BYTES if sealed[:1] == VERSION else len(WITHOUT_ID)
        nonce, cipher = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
        for key in self._keys_of(sealed):
            with contextlib.suppress(InvalidTag, ValueError):
                return key.decrypt(nonce, cipher, name.encode())
        raise VaultError(f"what is sealed as {name} does not open")

    def _keys_of(self, sealed: bytes) -> Sequence[AESGCM]:
        """The keys that may have sealed it."""
        if sealed[:1] == WITHOUT_ID:
            return [*self._ciphers.values()]
        key = self._ciphers.get(sealed[1 : 1 + ID_BYTES])
        return [key] if key is not None and sealed[:1] == VERSION else []


def _fingerprint_key(key: bytes) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"hotline caller fingerprint")
    return derived.derive(key)
