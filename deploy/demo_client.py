"""The demo's way to a running hotline: HTTP as an operator, a unit and a dispatcher."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2

from shared.auth import issue_token
from shared.roles import Role
from shared.settings import Settings

SERVICES: Final = ("intake", "classifier", "router")
POLL_SECONDS: Final = 0.2


class DemoError(Exception):
    """The hotline did not do what the demo waits for; the sentence says what."""


class Hotline:
    """The three services of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx2.Client(timeout=30)

    def close(self) -> None:
        """Close the connections to the services."""
        self._client.close()

    def answers(self) -> bool:
        """Whether all services are there and take this installation's tokens."""
        if not self._has_secret():
            return False
        probes = {"intake": "tickets?limit=1", "classifier": "taxonomy", "router": "units"}
        try:
            return all(
                self._send("GET", service, path, Role.SUPERVISOR).is_success
                for service, path in probes.items()
            )
        except httpx2.HTTPError:
            return False

    def address(self, service: str) -> str:
        """Where a service is."""
        return f"http://{self._settings.host}:{self._settings.port_of(service)}"

    def get(self, service: str, path: str) -> Any:
        """Something a supervisor may see. Raises DemoError."""
        return self._read("GET", service, path, Role.SUPERVISOR)

    def post(
        self,
        service: str,
        path: str,
        body: Mapping[str, object],
        role: Role = Role.OPERATOR,
        unit: str | None = None,
    ) -> Any:
        """Do something in a role. Raises DemoError."""
        return self._read("POST", service, path, role, unit, body)

    def ticket(self, number: str) -> Mapping[str, Any]:
        """A ticket with its classification, its case and its timeline."""
        found: Mapping[str, Any] = self.get("intake", f"tickets/{number}")
        return found

    def wait(
        self, number: str, until: float, wanted: Callable[[Mapping[str, Any]], bool], what: str
    ) -> Mapping[str, Any]:
        """The ticket as soon as it is as wanted. Raises DemoError after `until` (monotonic)."""
        while not wanted(ticket := self.ticket(number)):
            if time.monotonic() > until:
                raise DemoError(f"{number} {what}")
            time.sleep(POLL_SECONDS)
        return ticket

    def _read(
        self,
        method: str,
        service: str,
        path: str,
        role: Role,
        unit: str | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        try:
            response = self._send(method, service, path, role, unit, body)
        except httpx2.HTTPError as error:
            raise DemoError(f"{service} 没有应答：{error}") from error
        if response.is_error:
            raise DemoError(f"{method} /api/{path}：{response.status_code} {response.text}")
        return response.json()

    def _send(
        self,
        method: str,
        service: str,
        path: str,
        role: Role,
        unit: str | None = None,
        body: Mapping[str, object] | None = None,
    ) -> httpx2.Response:
        token = issue_token(self._settings, role, unit=unit)
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.address(service)}/api/{path}"
        return self._client.request(method, url, headers=headers, json=body)

    def _has_secret(self) -> bool:
        """Asking must not make a secret in a home where no hotline has ever run."""
        settings = self._settings
        given = settings.jwt_secret is not None or (settings.home / "secrets" / "jwt").exists()
        return given and settings.oidc_issuer is None
