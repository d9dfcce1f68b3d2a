"""The keys of an OpenID Connect issuer, fetched beside the requests that need them.

No request waits for the issuer but the first ones of a process: while it hangs, what is known
goes on being known, and a stranger's invented key makes it be asked no more often.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import jwt
import structlog

REFRESH_SECONDS: Final = 300.0
"""How long a key that its issuer has withdrawn is still taken."""
COOL_DOWN_SECONDS: Final = 30.0
"""An unknown key is looked for no sooner after the last time."""
LIFE_SECONDS: Final = 12 * 3600.0
"""How long keys are trusted of an issuer that no longer answers: a shift."""
FIRST_SECONDS: Final = 2.0
"""How long a request waits for the very first answer."""
FETCH_SECONDS: Final = 3.0

log = structlog.get_logger()


class KeysUnavailable(Exception):
    """The issuer's keys are not known now; they may be soon."""


class IssuerKeys:
    """The present keys by their ids; `changed` is told when they are others than before."""

    def __init__(self, url: str, changed: Callable[[], None]) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS)
        self._changed = changed
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._known_at = -LIFE_SECONDS
        self._tried_at = -LIFE_SECONDS
        self._tried = threading.Event()
        self._wanted = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def get(self, name: str | None) -> jwt.PyJWK:
        """The key of this id. Raises jwt.InvalidKeyError, and KeysUnavailable."""
        self._start()
        self._tried.wait(FIRST_SECONDS)
        now = time.monotonic()
        if now - self._known_at > LIFE_SECONDS:
            raise KeysUnavailable
        key = self._keys.get(name or "")
        if key is not None:
            return key
        if now - self._tried_at > COOL_DOWN_SECONDS:
            self._wanted.set()
            raise KeysUnavailable
        raise jwt.InvalidKeyError("signed by no key of the issuer")

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="issuer-keys", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        answered = True
        while True:
            try:
                keys = {key.key_id or "": key for key in self._client.get_signing_keys()}
            except (jwt.PyJWTError, OSError, ValueError) as error:
                if answered:
                    log.warning("issuer_keys_unknown", error=type(error).__name__)
                answered = False
            else:
                answered = True
                before, self._keys, self._known_at = self._keys, keys, time.monotonic()
                if {name: key.key for name, key in before.items()} != {
                    name: key.key for name, key in keys.items()
                }:
                    self._changed()
            self._tried_at = time.monotonic()
            self._tried.set()
            self._wanted.wait(REFRESH_SECONDS if answered else COOL_DOWN_SECONDS)
            self._wanted.clear()
