"""A small OpenID Connect issuer over HTTP: its keys, its sign-in, its tokens, and its moods."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "hotline", "a client's secret"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "lifang": {"name": "李芳", "role": "operator"},
    "wangli": {"name": "王丽", "role": "unit", "unit": "wangdingdi"},
    "zhaoqiang": {"name": "赵强", "role": "unit", "unit": "urban-management"},
    "zhoumin": {"name": "周敏", "role": "dispatcher"},
    "mayor": {"name": "某人", "role": "mayor"},
    "nowhere": {"name": "无单位", "role": "unit"},
    "program": {"name": "程序", "role": "system"},
}


@dataclass
class Moods:
    """How the issuer behaves; the tests change it."""

    life: float = 600
    """Seconds that an access token lives."""
    renews: bool = True
    farewell: bool = True
    secret_in_body: bool = False
    identity: dict[str, Any] = field(default_factory=dict)
    """Other claims in ID tokens than are due; None leaves one out."""
    access: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    """What it says to everything, instead of an answer."""


class Issuer(http.server.ThreadingHTTPServer):
    """Publishes one key, signs people in, and may hang."""

    daemon_threads = True

    def __init__(self, host: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = "k1"
        self.asked = 0
        """How often its keys were asked for."""
        self.hanging = threading.Event()
        self.url = f"http://{host}:{self.server_address[1]}"
        self.moods = Moods()
        self.codes: dict[str, dict[str, str]] = {}
        self.refreshes: dict[str, str] = {}
        self.renewed = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of those who have not waited."""

    def signed(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims."""
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="RS256", headers={"kid": self.name})

    def renew(self) -> None:
        """Withdraw the key and publish another."""
        self.name += "x"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def coded(self, who: str, asked: Mapping[str, str]) -> str:
        """Where a browser goes back to with a code, once `who` has signed in."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"who": who, **asked}
        back = {"code": code, "state": asked["state"], "iss": self.url}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def tokens(self, who: str, nonce: str | None) -> dict[str, Any]:
        """A fresh set of tokens."""
        now = time.time()
        person = {"iss": self.url, "sub": who, "iat": int(now), **PEOPLE[who]}
        access = person | {"aud": "hotline", "exp": now + self.moods.life} | self.moods.access
        identity = person | {"aud": CLIENT, "exp": now + 300, "nonce": nonce} | self.moods.identity
        told = {"token_type": "Bearer", "access_token": self.signed(access)}
        digest = hashlib.sha256(told["access_token"].encode()).digest()[:16]
        at_hash = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        told["id_token"] = self.signed({"at_hash": at_hash, **identity})
        if self.moods.renews:
            told["refresh_token"] = secrets.token_urlsafe(16)
            self.refreshes[told["refresh_token"]] = who
        return told

    def granted(self, form: Mapping[str, str], basic: str) -> dict[str, Any] | None:
        """The answer to a request for tokens; None where it is not good, or was made before."""
        pair = base64.b64encode(f"{CLIENT}:{quote(SECRET, safe='')}".encode()).decode()
        body = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        if not (body if self.moods.secret_in_body else basic == f"Basic {pair}"):
            return None
        if form["grant_type"] == "refresh_token":
            who = self.refreshes.pop(form["refresh_token"], None)
            self.renewed += who is not None
            return self.tokens(who, None) if who else None
        given = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if given is None or given["code_challenge"] != challenge:
            return None
        if given["redirect_uri"] != form["redirect_uri"]:
            return None
        return self.tokens(given["who"], given["nonce"])


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked += parts.path.endswith(("jwks.json", "keys"))
        if self._hung():
            return
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/.well-known/openid-configuration":
                self._said(200, self._description())
            case "/.well-known/jwks.json" | "/keys":
                key = self.server.key.public_key()
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
                keys = [{**public, "kid": self.server.name, "use": "sig"}]
                self._said(200, {"keys": keys})
            case "/authorize":
                assert asked["code_challenge_method"] == "S256"
                people = "".join(f"<button name=who value={who}>{who}</button>" for who in PEOPLE)
                self._sent(200, f"<form method=post>{people}</form>".encode(), "text/html")
            case "/farewell":
                jwt.decode(asked["id_token_hint"], options={"verify_signature": False})
                self._moved(asked["post_logout_redirect_uri"])
            case _:
                self._said(404, {})

    def do_POST(self) -> None:
        if self._hung():
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._moved(self.server.coded(form["who"], asked))
            return
        told = self.server.granted(form, self.headers.get("Authorization", ""))
        self._said(200 if told else 400, told or {"error": "invalid_grant"})

    def _hung(self) -> bool:
        """Whether it hangs, after half a minute or once it does no more: nothing is answered."""
        hanging, until = self.server.hanging, time.monotonic() + 30
        asked_while_hanging = hanging.is_set()
        while hanging.is_set() and time.monotonic() < until:
            time.sleep(0.05)
        return asked_while_hanging

    def _description(self) -> dict[str, Any]:
        moods, url = self.server.moods, self.server.url
        told: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
        }
        if moods.farewell:
            told["end_session_endpoint"] = f"{url}/farewell"
        if moods.secret_in_body:
            told["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return told | moods.description

    def _said(self, status: int, told: Mapping[str, Any]) -> None:
        self._sent(status, json.dumps(told).encode(), "application/json")

    def _sent(self, status: int, body: bytes, kind: str) -> None:
        if self.server.moods.body is not None:
            body = self.server.moods.body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _moved(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_issuer(host: str = "127.0.0.1") -> Iterator[Issuer]:
    """An issuer, served until the end of the block; browsers find it at this host."""
    with Issuer(host) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
