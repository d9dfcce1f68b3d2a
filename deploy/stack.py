"""A whole stack for a while: the three services as processes of their own, on free ports.

For the benchmark, the demo and tests of whole stacks. The embedded default serves where
the settings name neither a database nor Kafka; `deploy/own_postgres.py` gives a server of the
kind that runs in production, over TCP and with a password.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import httpx2
from pydantic import SecretStr

from deploy.ports import free_ports
from services.classifier.home import classifier_home
from services.classifier.model import load_or_train
from shared.auth import issue_token
from shared.postgres import server_url, stop_embedded
from shared.roles import Role
from shared.service import prepare
from shared.settings import Settings

SERVICES: Final = ("intake", "classifier", "router")
CHECKOUT: Final = Path(__file__).parents[1]
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0


class StackError(Exception):
    """The stack did not come up; the sentence holds the end of the log that says why."""


def settings_for(
    home: Path, *, database_url: str | None = None, kafka: str | None = None
) -> Settings:
    """Settings of an installation of its own on free ports; nothing comes from the environment."""
    intake, classifier, router, desk = free_ports(len(SERVICES) + 1)
    return Settings.model_construct(
        home=home,
        database_url=None if database_url is None else SecretStr(database_url),
        kafka=kafka,
        intake_port=intake,
        classifier_port=classifier,
        router_port=router,
        desk_port=desk,
    )


class Process:
    """One process of a stack: `python -m services.<service> all`, `api` or `worker`.

    `environment` is added to that of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        side: str = "all",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = service if side == "all" else f"{service}-{side}"
        self.port = settings.port_of(service) if side != "worker" else free_ports(1)[0]
        self.log = settings.home / "logs" / f"{self.name}.log"
        port = () if side == "all" else ("--port", str(self.port))
        self._command = (sys.executable, "-m", f"services.{service}", side, *port)
        self._environment = {**environment_of(settings), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the process serves at least its health and its metrics."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """How the process ended, None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """The process id. Raises StackError where it was never started."""
        if self._process is None:
            raise StackError(f"{self.name} has not been started")
        return self._process.pid

    def start(self) -> None:
        """Start the process, its output at the end of its log; `wait_ready` waits for it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the process says that it can do its work. Raises StackError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.running:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address}/readyz", timeout=5).status_code == httpx2.codes.OK:
                    return
            time.sleep(0.05)
        end = self.log.read_text(errors="replace")[-3000:]
        raise StackError(f"{self.name} did not become ready:\n{end}")

    def send(self, how: signal.Signals) -> None:
        """Send a signal; does nothing to a process that has ended."""
        if self.running and self._process is not None:
            self._process.send_signal(how)

    def stop(self) -> None:
        """End in order; a process that does not is killed."""
        if self._process is None:
            return
        self.send(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End as a crash would."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()


class Stack:
    """Services that run for the length of a `with` block.

    `sides` are the processes of each service: the HTTP side and the workers in one (`all`),
    or in two (`api`, `worker`). What they write goes to `home/logs`; the home stays.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        services: Sequence[str] = SERVICES,
        sides: Sequence[str] = ("all",),
    ) -> None:
        self.settings = settings
        self._services = services
        self.processes: Mapping[str, Process] = {
            process.name: process
            for process in (Process(settings, name, side) for name in services for side in sides)
        }

    def address(self, service: str) -> str:
        """Where a service's HTTP interface is."""
        return f"http://127.0.0.1:{self.settings.port_of(service)}"

    def token(self, role: Role, unit: str | None = None, name: str | None = None) -> str:
        """A bearer token for this stack."""
        return issue_token(self.settings, role, unit=unit, name=name)

    def start(self) -> None:
        """Start PostgreSQL where it is the embedded one, migrate, start, and wait until ready."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        server_url(self.settings)
        for service in self._services:
            prepare(self.settings, service)
        if "classifier" in self._services:
            borrow_model(self.settings.home)
        for process in self.processes.values():
            process.start()
        for process in self.processes.values():
            process.wait_ready()

    def stop(self) -> None:
        """Stop the services in the order in which tickets pass them, PostgreSQL last."""
        for process in self.processes.values():
            process.send(signal.SIGTERM)
        for process in self.processes.values():
            process.stop()
        stop_embedded(self.settings)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def environment_of(settings: Settings) -> Mapping[str, str]:
    """The environment of a process that is to run with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOTLINE_")}
    kept["HOTLINE_HOME"] = str(settings.home.resolve())
    for service in (*SERVICES, "desk"):
        kept[f"{service.upper()}_PORT"] = str(settings.port_of(service))
    if settings.database_url is not None:
        kept["HOTLINE_DATABASE_URL"] = settings.database_url.get_secret_value()
    if settings.kafka is not None:
        kept["HOTLINE_KAFKA"] = settings.kafka
        kept["HOTLINE_KAFKA_REPLICATION"] = str(settings.kafka_replication)
    kept["HOTLINE_TRUSTED_PROXIES"] = settings.trusted_proxies
    kept["HOTLINE_GRAFANA_URL"] = settings.grafana_url
    if settings.oidc_issuer is not None:
        kept["HOTLINE_OIDC_ISSUER"] = settings.oidc_issuer
    if settings.oidc_client_secret is not None:
        kept["HOTLINE_OIDC_CLIENT_SECRET"] = settings.oidc_client_secret.get_secret_value()
    return kept


def borrow_model(home: Path) -> None:
    """Give a new home the model of this installation, trained there if it has none yet."""
    own = classifier_home()
    if (home / "classifier").exists():
        return
    load_or_train(own)
    shutil.copytree(own, home / "classifier", dirs_exist_ok=True)
