"""The issuer that people sign in at (OpenID Connect): what is asked of it, what is believed.

The authorization code flow with PKCE. Whatever the issuer says is bounded in time and size and
checked before anybody is signed in by it; a visitor's access token is checked as the services
check it.
"""

import asyncio
import base64
import json
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import jwt
import structlog
from anyio import CapacityLimiter, to_thread

from services.desk.vouched import (
    Description,
    Disowned,
    Flow,
    Json,
    Unanswered,
    Vouched,
    called_by,
    described_by,
    equal,
    hashes,
    stranger,
    unsound,
)
from shared.auth import Authority
from shared.issuer_keys import KeysUnavailable
from shared.roles import Role
from shared.settings import Settings

ANSWER_SECONDS: Final = 5.0
"""How long one question to the issuer may take in all."""
AT_ONCE: Final = 16
"""Questions in hand at once: a hanging issuer holds no more than these."""
MOST_BYTES: Final = 256_000
KNOWN_SECONDS: Final = 3600.0
"""How long the issuer's description is taken as read; an old one serves while there is no new."""

log = structlog.get_logger()


class Issuer:
    """The configured issuer, asked over HTTP."""

    def __init__(self, settings: Settings, issuer: str) -> None:
        self.address = issuer
        self._settings = settings
        self._home = settings.url_of("desk").rstrip("/")
        self._authority = Authority(settings)
        self._client = httpx2.AsyncClient(headers={"Accept-Encoding": "identity"})
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._threads = CapacityLimiter(4)
        self._known: tuple[float, Description] | None = None
        self._tasks: set[asyncio.Future[None]] = set()

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done beside the requests."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def way_in(self, flow: Flow) -> str:
        """Where a browser goes to sign in. Raises Unanswered."""
        described = await self._description()
        asked = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._back,
            "scope": self._settings.oidc_scope,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(described.authorization, asked)

    async def way_out(self, identity: str) -> str | None:
        """Where a browser signs out at the issuer too; None where that is not offered now."""
        try:
            described = await self._description()
        except Unanswered:
            return None
        if described.farewell is None:
            return None
        asked = {
            "id_token_hint": identity,
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": f"{self._home}/login",
        }
        return _with_query(described.farewell, asked)

    async def redeem(self, code: str, flow: Flow) -> Vouched:
        """Who has come back with this code. Raises Unsaid."""
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._back}
        told = await self._tokens(asked | {"code_verifier": flow.verifier})
        return await to_thread.run_sync(
            self._checked, told, flow.nonce, None, limiter=self._threads
        )

    async def renew(self, before: Vouched) -> Vouched:
        """The same person with new tokens, and whatever role they have now. Raises Unsaid."""
        told = await self._tokens({"grant_type": "refresh_token", "refresh_token": before.refresh})
        return await to_thread.run_sync(self._checked, told, None, before, limiter=self._threads)

    @property
    def _back(self) -> str:
        return f"{self._home}/login/return"

    async def _description(self) -> Description:
        now = time.monotonic()
        if self._known is not None and now - self._known[0] < KNOWN_SECONDS:
            return self._known[1]
        try:
            path = "/.well-known/openid-configuration"
            status, told = await self._ask("GET", self.address.rstrip("/") + path)
            described = described_by(told, self.address) if status == httpx2.codes.OK else None
            if described is None:
                raise Unanswered
        except Unanswered:
            if self._known is None:
                raise
            # Asked again in a minute: nobody waits for it each time.
            self._known = (now - KNOWN_SECONDS + 60, self._known[1])
            return self._known[1]
        self._known = (now, described)
        return described

    async def _tokens(self, asked: Mapping[str, str | None]) -> Json:
        """The answer of the token endpoint. Raises Unanswered, and Disowned for a refusal."""
        described = await self._description()
        client, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        form, headers = {**asked, "client_id": client}, {}
        if secret is not None and (word := secret.get_secret_value()):
            if described.secret_in_body:
                form["client_secret"] = word
            else:
                pair = f"{quote(client, safe='')}:{quote(word, safe='')}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, told = await self._ask("POST", described.token, data=form, headers=headers)
        if status == httpx2.codes.OK:
            return told
        fault = str(told.get("error"))[:40]
        log.warning("issuer_refused", status=status, error=fault)
        raise Disowned if fault == "invalid_grant" else Unanswered

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, Json]:
        """The status and object of an answer. Raises Unanswered."""
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._turns,
                self._client.stream(method, url, **options) as answer,
            ):
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise Unanswered
            told = json.loads(bytes(body))
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as e:
            log.warning("issuer_unanswered", error=type(e).__name__)
            raise Unanswered from None
        if not isinstance(told, dict):
            raise Unanswered
        return answer.status_code, told

    def _checked(self, told: Json, nonce: str | None, before: Vouched | None) -> Vouched:
        """Whom tokens vouch for: at first by the nonce, later by who it was before."""
        access, refresh, identity = (
            told.get(name) for name in ("access_token", "refresh_token", "id_token")
        )
        if before is not None:
            refresh, identity = refresh or before.refresh, identity or before.identity
        if not isinstance(access, str) or not isinstance(identity, str):
            raise unsound()
        try:
            claims = self._authority.claims(identity, self._settings.oidc_client_id)
            principal = self._authority.bearer(access)
        except KeysUnavailable:
            raise Unanswered from None
        except jwt.PyJWTError:
            raise unsound() from None
        except ValueError:
            raise stranger() from None
        bound = claims.get("azp", self._settings.oidc_client_id) == self._settings.oidc_client_id
        same = claims["sub"] == principal.subject
        if nonce is not None:
            bound = bound and equal(claims.get("nonce"), nonce) and hashes(claims, access)
        if before is not None:
            same = same and principal.subject == before.principal.subject
        if not bound or not same:
            raise unsound()
        if principal.role is Role.SYSTEM:
            raise stranger()
        kept = refresh if isinstance(refresh, str) else None
        return Vouched(principal, called_by(claims, principal.subject), access, kept, identity)


def _with_query(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"
