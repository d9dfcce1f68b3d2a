"""A database that does not move: every process says so within a second, and goes on afterwards."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psutil

from deploy.stack import SERVICES, Stack
from tests.integration.desk import Desk, eventually

LAMP = "保山南里路灯不亮"


@contextmanager
def frozen_database(stack: Stack) -> Iterator[None]:
    """A while in which PostgreSQL's processes stand still; their connections stay open."""
    home = str(stack.settings.home.resolve())
    (server,) = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres"
        and any(home in part for part in process.info["cmdline"] or ())
    ]
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGCONT)


def readiness(stack: Stack, service: str) -> tuple[int, str, float]:
    """The status of a service's readiness, what it says of the database, and after how long."""
    started = time.monotonic()
    answer = httpx2.get(f"{stack.address(service)}/readyz", timeout=30)
    return answer.status_code, answer.json()["checks"]["database"], time.monotonic() - started


def test_a_frozen_database_is_told_at_once_and_nothing_is_lost(stack: Stack) -> None:
    with Desk(stack) as desk:
        desk.settled(desk.submit(f"预热：{LAMP}"))
        with frozen_database(stack):
            told = {name: readiness(stack, name) for name in SERVICES}
            assert all(status == 503 and "no answer" in said for status, said, _ in told.values())
            assert max(seconds for _, _, seconds in told.values()) < 5.0
            health = httpx2.get(f"{stack.address('intake')}/healthz", timeout=5)
            assert health.status_code == 200
        eventually(
            lambda: {readiness(stack, name)[0] for name in SERVICES} == {200} or None, seconds=30
        )
        desk.settled(desk.submit(LAMP), 30)
