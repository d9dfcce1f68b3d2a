"""`make run`: the three services on one machine, in the foreground, until Ctrl-C.

Starts the embedded PostgreSQL where no other is configured, migrates the databases,
then runs each service in a process of its own; the classifier trains its first model.
"""

import sys
import threading
import time
from typing import Final

import httpx2
from honcho.manager import Manager

from deploy.stack import SERVICES
from shared.postgres import running_server
from shared.service import prepare
from shared.settings import Settings, load_settings

READY_SECONDS: Final = 60.0


def main() -> int:
    """Run until a signal or until a service ends; the exit status of the first that failed."""
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    with running_server(settings):
        for service in SERVICES:
            prepare(settings, service)
        manager = Manager()
        for service in SERVICES:
            manager.add_process(service, f"exec {sys.executable} -m services.{service} all")
        threading.Thread(target=announce, args=(settings,), daemon=True).start()
        manager.loop()
    return int(manager.returncode or 0)


def announce(settings: Settings) -> None:
    """Print the addresses once every service is ready."""
    addresses = {name: f"http://{settings.host}:{settings.port_of(name)}" for name in SERVICES}
    if not all(wait_ready(address) for address in addresses.values()):
        print("Not every service became ready; see the log above.", flush=True)
        return
    lines = [f"  {name:<11} {address}   API: {address}/docs" for name, address in addresses.items()]
    print(
        "\nhotline is ready.\n"
        + "\n".join(lines)
        + "\n  a token:    make token ROLE=operator"
        + "\n              make token ROLE=unit UNIT=wangdingdi"
        + "\n  Ctrl-C stops everything.\n",
        flush=True,
    )


def wait_ready(address: str, seconds: float = READY_SECONDS) -> bool:
    """Whether a service says that it is ready within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/readyz", timeout=5).status_code == httpx2.codes.OK:
                return True
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    return False


if __name__ == "__main__":
    sys.exit(main())
