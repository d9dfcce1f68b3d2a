"""The caller vault: who called, sealed with AES-256-GCM and bound to the ticket's number.

Nothing outside this service ever holds the key, and a sealed value moved to another
ticket does not open.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict

from services.intake.phones import national
from shared.redaction import redact
from shared.sealing import SealError, Seals
from shared.secrets import local_keys
from shared.settings import Settings

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


class Vault(Seals):
    """Seals with the first key of this installation, and opens with any of them."""

    def __init__(self, settings: Settings) -> None:
        keys = local_keys(settings.home, "vault", settings.vault_key)
        super().__init__(keys)
        self._fingerprint_keys = [_fingerprint_key(key) for key in keys]

    def seal(self, number: str, content: Sealed) -> bytes:
        """The content, sealed for this ticket."""
        return self.wrap(number, content.model_dump_json(exclude_none=True).encode())

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
        """The content sealed for this ticket. Raises SealError."""
        try:
            return Sealed.model_validate_json(self.unwrap(number, sealed))
        except ValueError as error:
            raise SealError(f"the contact of {number} is not one") from error


def _fingerprint_key(key: bytes) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"hotline caller fingerprint")
    return derived.derive(key)
