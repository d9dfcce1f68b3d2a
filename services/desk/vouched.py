"""What ties a sign-in at an issuer together, and whom and what of the issuer the pages believe."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from shared.auth import Principal

LONGEST_CALLED: Final = 40
Json = Mapping[str, Any]


class Unsaid(Exception):
    """Nobody is signed in; `status` and the Chinese sentence say why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Unanswered(Unsaid):
    """The issuer gave no answer that could be read; it may soon."""

    def __init__(self) -> None:
        super().__init__(503, "统一身份平台没有应答，请稍后再试。已经登录的人不受影响。")


class Disowned(Unsaid):
    """The issuer does not, or no longer, vouch for somebody."""

    def __init__(self) -> None:
        super().__init__(401, "这次登录已经用过或过期，请重新登录。")


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to the issuer and back: what ties it together follows from one secret.

    The secret stays in the browser that set out; what the issuer sees does not reveal it.
    """

    secret: str

    @property
    def state(self) -> str:
        """Proves that an answer belongs to this browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Proves that an ID token was made for this flow."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Proves that the code is redeemed by who asked for it (PKCE)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """What of the verifier the issuer is told at first."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: str) -> str:
        return _encoded(hashlib.sha256(f"{purpose} {self.secret}".encode()).digest())


@dataclass(frozen=True, slots=True)
class Vouched:
    """Somebody whom the issuer vouches for, with its tokens; `called` is their name to people."""

    principal: Principal
    called: str
    access: str
    refresh: str | None
    identity: str


@dataclass(frozen=True, slots=True)
class Description:
    """The issuer's own account of itself, as far as it is needed."""

    authorization: str
    token: str
    farewell: str | None
    secret_in_body: bool


def unsound() -> Unsaid:
    """Tokens that prove nothing."""
    return Unsaid(502, "统一身份平台给出的凭据不能确认，没有登录。请联系管理员。")


def stranger() -> Unsaid:
    """Somebody who is nobody to the hotline."""
    return Unsaid(403, "您的账号在统一身份平台没有登记热线的身份或单位，请联系管理员。")


def described_by(told: Json, issuer: str) -> Description | None:
    """What the issuer says of itself; None where it is another or names no sound addresses."""
    ways = [
        told.get(name)
        for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint")
    ]
    authorization, token, farewell = (_sound(way, issuer) for way in ways)
    if told.get("issuer") != issuer or authorization is None or token is None:
        return None
    methods = told.get("token_endpoint_auth_methods_supported")
    in_body = isinstance(methods, list) and "client_secret_basic" not in methods
    return Description(authorization, token, farewell, in_body)


def _sound(address: object, issuer: str) -> str | None:
    """An address of the web, over TLS if the issuer's is."""
    if not isinstance(address, str) or not address.isprintable():
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    allowed = ("https",) if issuer.startswith("https:") else ("https", "http")
    return address if parts.scheme in allowed and parts.netloc else None


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def equal(said: object, wanted: str) -> bool:
    """Whether a claim is this word, in the same time for every wrong one."""
    return isinstance(said, str) and hmac.compare_digest(
        said.encode(errors="replace"), wanted.encode()
    )


def hashes(claims: Json, access: str) -> bool:
    """Whether an ID token that names the access token beside it names this one."""
    half = hashlib.sha256(access.encode()).digest()[:16]
    return "at_hash" not in claims or equal(claims["at_hash"], _encoded(half))


def called_by(claims: Json, subject: str) -> str:
    """What people call somebody, where the issuer says it."""
    for said in (claims.get("name"), claims.get("preferred_username")):
        if isinstance(said, str) and said.strip() and said.isprintable():
            return said.strip()[:LONGEST_CALLED]
    return subject
