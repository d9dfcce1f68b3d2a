"""Who is asking, and whether they may: bearer JWTs with `sub`, `role` and `unit`.

Tokens are signed by the installation's own secret (HS256), or by an OpenID Connect
issuer whose keys are fetched from its JWKS address (RS256, ES256).
"""

import contextlib
import math
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import jwt

from shared.issuer_keys import IssuerKeys, KeysUnavailable
from shared.problems import Problem
from shared.roles import Role
from shared.secrets import key_id, local_keys
from shared.settings import Settings

LOCAL_ISSUER: Final = "hotline"
AUDIENCE: Final = "hotline"
TOKEN_HOURS: Final = 12
"""A local token lives for one shift."""
LEEWAY_SECONDS: Final = 30
"""How far an issuer's clock may run ahead of ours; a token's end is kept to the second."""
REMEMBERED_TOKENS: Final = 4096
UNIT_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `unit` is set for the role unit only."""

    subject: str
    role: Role
    unit: str | None = None
    expires_at: float = field(default=math.inf, compare=False)
    """When the token ends, in seconds since 1970."""


class _Keys(Protocol):
    def decode(self, token: str, audience: str) -> dict[str, Any]:
        """The verified claims. Raises jwt.PyJWTError."""


class _LocalKeys:
    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {key_id(key).hex(): key for key in keys}

    def decode(self, token: str, audience: str) -> dict[str, Any]:
        named = jwt.get_unverified_header(token).get("kid")
        # Tokens of before keys had ids name none.
        keys = [key for name, key in self._keys.items() if named in (None, name)]
        for key in keys:
            with contextlib.suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=audience,
                    issuer=LOCAL_ISSUER,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "sub", "iss", "aud"]},
                )
        raise jwt.InvalidSignatureError("signed with no key of ours")


class _Issuer:
    def __init__(self, issuer: str, keys: IssuerKeys) -> None:
        self._issuer = issuer
        self._keys = keys

    def decode(self, token: str, audience: str) -> dict[str, Any]:
        named = jwt.get_unverified_header(token).get("kid")
        return jwt.decode(
            token,
            self._keys.get(named).key,
            algorithms=["RS256", "ES256"],
            audience=audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )


class Authority:
    """Verifies tokens; remembers verified ones until they expire."""

    def __init__(self, settings: Settings) -> None:
        self._keys: _Keys
        self._audience = AUDIENCE
        if settings.oidc_issuer is not None:
            issuer = settings.oidc_issuer
            jwks = settings.oidc_jwks_url or issuer.rstrip("/") + "/.well-known/jwks.json"
            keys = IssuerKeys(jwks, self._forget)
            self._keys = _Issuer(issuer, keys)
            self._audience = settings.oidc_audience
        else:
            self._keys = _LocalKeys(local_keys(settings.home, "jwt", settings.jwt_secret))
        self._known: OrderedDict[str, Principal] = OrderedDict()

    def remembered(self, header: str | None) -> Principal | None:
        """The caller of a header that was verified before and has not expired; never waits."""
        known = self._known.get(_bearer(header))
        return known if known is not None and known.expires_at > time.time() else None

    def authenticate(self, header: str | None) -> Principal:
        """The caller named by an Authorization header; may wait for an issuer's first answer.

        Raises Problem 401 where the header is missing, foreign, expired or malformed, and
        503 where the issuer's keys cannot be had.
        """
        token = _bearer(header)
        known = self._known  # taken before the keys are: what is verified by old ones stays there
        try:
            principal = self.bearer(token)
        except KeysUnavailable:
            raise Problem(
                503, "登录服务暂时无法连接, 请稍后重试", headers={"Retry-After": "2"}
            ) from None
        except (jwt.PyJWTError, ValueError):
            raise _unauthenticated() from None
        known[token] = principal
        while len(known) > REMEMBERED_TOKENS:
            known.popitem(last=False)
        return principal

    def bearer(self, token: str) -> Principal:
        """The caller that a token names. Raises KeysUnavailable, jwt.PyJWTError and ValueError.

        ValueError says that the token is good but names nobody of this hotline.
        """
        principal = _principal(self._keys.decode(token, self._audience))
        if principal.expires_at <= time.time():
            raise jwt.ExpiredSignatureError("the token has ended")
        return principal

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """What a token for another audience says, an ID token. Raises as `bearer` does."""
        return self._keys.decode(token, audience)

    def _forget(self) -> None:
        """Verify every token again: the keys have changed."""
        self._known = OrderedDict()


def _bearer(header: str | None) -> str:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthenticated()
    return token


def _principal(claims: dict[str, Any]) -> Principal:
    subject, role, unit = claims["sub"], Role(claims.get("role", "")), claims.get("unit")
    expires_at = float(claims["exp"])
    if not isinstance(subject, str) or not _is_name(subject):
        raise ValueError("sub is no name")
    if role is not Role.UNIT:
        return Principal(subject, role, expires_at=expires_at)
    if not isinstance(unit, str) or not UNIT_SLUG.fullmatch(unit):
        raise ValueError("a unit's token names its unit")
    return Principal(subject, role, unit, expires_at)


def _is_name(subject: str) -> bool:
    return 0 < len(subject) <= 100 and subject.isprintable()


def _unauthenticated() -> Problem:
    return Problem(401, "请提供有效的登录令牌", headers={"WWW-Authenticate": "Bearer"})


def issue_token(
    settings: Settings, role: Role, *, unit: str | None = None, name: str | None = None
) -> str:
    """A token signed by the local secret, good for one shift.

    Raises ValueError where a unit's token names no unit, or another role's names one, and
    where the name is empty, longer than 100 characters or unprintable.
    """
    if (role is Role.UNIT) != (unit is not None):
        raise ValueError("UNIT goes with ROLE=unit, and only with it")
    if unit is not None and not UNIT_SLUG.fullmatch(unit):
        raise ValueError(f"{unit!r} is no unit slug")
    if name is not None and not _is_name(name):
        raise ValueError("NAME has 1 to 100 printable characters")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": LOCAL_ISSUER,
        "aud": AUDIENCE,
        "sub": name if name is not None else f"{role}-{unit}" if unit else str(role),
        "role": str(role),
        "iat": now,
        "exp": now + TOKEN_HOURS * 3600,
    }
    if unit is not None:
        claims["unit"] = unit
    key = local_keys(settings.home, "jwt", settings.jwt_secret)[0]
    return jwt.encode(claims, key, algorithm="HS256", headers={"kid": key_id(key).hex()})
