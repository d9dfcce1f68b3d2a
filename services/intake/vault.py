"""The caller vault: who called, sealed with AES-256-GCM and bound to the ticket's number.

Nothing outside this service ever holds the key, and a sealed value moved to another
ticket does not open.
"""

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict

from services.intake.phones import national
from shared.redaction import redact
from shared.secrets import local_secret
from shared.settings import Settings

NONCE_BYTES: Final = 12
VERSION: Final = b"\x01"
"""First byte of a sealed value: which key and layout; a new key gets a new version."""
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
    """Seals and opens; the key comes from the environment or is made on first run."""

    def __init__(self, settings: Settings) -> None:
        key = local_secret(settings.home, "vault", settings.vault_key)
        self._cipher = AESGCM(key)
        derived = HKDF(SHA256(), length=32, salt=None, info=b"hotline caller fingerprint")
        self._fingerprint_key = derived.derive(key)

    def seal(self, number: str, content: Sealed) -> bytes:
        """The content, sealed for this ticket."""
        return self.wrap(number, content.model_dump_json(exclude_none=True).encode())

    def wrap(self, name: str, plain: bytes) -> bytes:
        """Anything that callers said, sealed so that it opens under this name alone."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def fingerprint(self, phone: str) -> bytes | None:
        """The same for the same phone however it is written; None where it is nobody's own.

        Keyed (HMAC-SHA-256), for phones are few enough to try all of them. Under a changed
        key new tickets find none of the older ones of their caller; nothing else is lost.
        """
        digits = national(phone)
        if len(digits) < SHORTEST_PHONE or len(set(digits)) == 1:
            return None
        return hmac.digest(self._fingerprint_key, digits.encode(), "sha256")[:FINGERPRINT_BYTES]

    def open(self, number: str, sealed: bytes) -> Sealed:
        """The content sealed for this ticket. Raises VaultError."""
        try:
            return Sealed.model_validate_json(self.unwrap(number, sealed))
        except ValueError as error:
            raise VaultError(f"the contact of {number} is not one") from error

    def unwrap(self, name: str, sealed: bytes) -> bytes:
        """What was sealed under this name. Raises VaultError."""
        nonce, cipher = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] != VERSION:
                raise VaultError("sealed by another version")
            return self._cipher.decrypt(nonce, cipher, name.encode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"what is sealed as {name} does not open") from error
