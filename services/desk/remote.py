"""What the pages ask of the services: the same interface everybody has, in the visitor's name.

The desk decides nothing and stores nothing of tickets: what a page may show and do is what
the token of its visitor may.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import httpx2
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from services.desk.accounts import Visitor
from shared.auth import issue_token
from shared.settings import Settings

SECONDS: Final = 10.0
GLANCE_SECONDS: Final = 0.8
"""How long a preview waits for each service."""
UPLOAD_SECONDS: Final = 120.0
"""How long a file may take, either way."""
PASSED_ON: Final = ("content-type", "content-disposition")
TOKEN_SECONDS: Final = 3600.0
NAMES_SECONDS: Final = 60.0
Json = dict[str, Any]


class Refused(Exception):
    """A service's answer that is an error, as its problem document has it.

    `status` 503 stands too for a service that does not answer.
    """

    def __init__(
        self, status: int, detail: str, slug: str = "", problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.slug = slug
        self.problem = problem or {}


@dataclass(slots=True)
class Names:
    """Chinese names of units and leaves, the units' duty phones, the leaves' base priorities."""

    units: Mapping[str, Json] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    known_at: float = 0.0

    def unit(self, slug: str | None) -> str:
        """A unit's name; a dash for none."""
        if not slug:
            return "—"
        return str(self.units[slug]["name"]) if slug in self.units else slug

    def phone(self, slug: str | None) -> str | None:
        """A unit's duty phone, where it is known."""
        return self.units.get(slug or "", {}).get("phone")

    def leaf(self, slug: str | None) -> str:
        """A leaf's name; a dash for none."""
        return self.leaves.get(slug, slug) if slug else "—"


class Services:
    """The three services over HTTP."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx2.Client(timeout=SECONDS)
        self._tokens: dict[tuple[str, str, str | None], tuple[float, str]] = {}
        self._names = Names()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, service: str, path: str, who: Visitor, **query: Any) -> Any:
        """GET under /api. Raises Refused."""
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        return self._ask("GET", service, path, who, params=asked)

    def post(
        self,
        service: str,
        path: str,
        who: Visitor,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        seconds: float = SECONDS,
    ) -> Any:
        """POST under /api, once for each `key`. Raises Refused."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._ask("POST", service, path, who, json=body, headers=headers, timeout=seconds)

    def upload(
        self,
        service: str,
        path: str,
        who: Visitor,
        name: str,
        file: BinaryIO,
        key: str | None,
        **fields: str,
    ) -> Any:
        """POST a file under /api, once for each `key`. Raises Refused."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._ask(
            "POST", service, path, who, files={"file": (name, file)}, data=fields,
            headers=headers, timeout=UPLOAD_SECONDS,
        )  # fmt: skip

    def file(self, service: str, path: str, who: Visitor, **query: Any) -> StreamingResponse:
        """A file under /api, passed on while it comes. Raises Refused."""
        address = f"{self._settings.url_of(service)}/api{path}"
        request = self._client.build_request(
            "GET", address, params=query, headers=self.authorization(who), timeout=UPLOAD_SECONDS
        )
        try:
            answer = self._client.send(request, stream=True)
        except httpx2.HTTPError:
            raise Refused(503, "系统忙，请稍后再试。") from None
        if not answer.is_success:
            answer.close()
            raise Refused(answer.status_code, "没有这个文件，或您不能下载。")
        kept = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return StreamingResponse(
            answer.iter_bytes(), headers=kept, background=BackgroundTask(answer.close)
        )

    def names(self, who: Visitor) -> Names:
        """The names there are; those known before where the services do not answer now."""
        if time.monotonic() - self._names.known_at > NAMES_SECONDS:
            try:
                units = self.get("router", "/units", who)
                leaves = self.get("classifier", "/taxonomy", who)
            except Refused:
                return self._names
            self._names = Names(
                {unit["slug"]: unit for unit in units},
                {leaf["slug"]: leaf["name"] for leaf in leaves},
                {leaf["slug"]: leaf["priority"] for leaf in leaves},
                time.monotonic(),
            )
        return self._names

    def stream_address(self, unit: str) -> str:
        """Where a unit's queue streams from."""
        return f"{self._settings.url_of('router')}/api/units/{unit}/queue/stream"

    def authorization(self, who: Visitor) -> dict[str, str]:
        """The header that names a visitor to the services."""
        if who.token is not None:
            return {"Authorization": f"Bearer {who.token}"}
        known = (who.name, who.role, who.unit)
        made_at, token = self._tokens.get(known, (0.0, ""))
        if time.monotonic() - made_at > TOKEN_SECONDS or not token:
            token = issue_token(self._settings, who.role, unit=who.unit, name=who.name)
            self._tokens[known] = (time.monotonic(), token)
        return {"Authorization": f"Bearer {token}"}

    def _ask(
        self,
        method: str,
        service: str,
        path: str,
        who: Visitor,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        address = f"{self._settings.url_of(service)}/api{path}"
        sent = {**self.authorization(who), **(headers or {})}
        try:
            answer = self._client.request(method, address, headers=sent, **options)
        except httpx2.HTTPError:
            raise Refused(503, "系统忙，还没有收下。请稍后再试，不会重复。") from None
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
            slug = str(problem["type"]).rpartition(":")[2]
            raise Refused(answer.status_code, str(problem["detail"]), slug, problem)
        except (ValueError, KeyError):
            raise Refused(answer.status_code, "系统出错，没有保存。请再试。") from None
