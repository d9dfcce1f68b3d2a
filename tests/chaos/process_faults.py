"""What can happen to processes: death, standing still, company, and a restart in turn."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import psycopg

from deploy.stack import StackError
from tests.chaos.installation import PROCESSES, Installation

START_TRIES: Final = 20

Befalling = Callable[[Installation], AbstractContextManager[None]]
"""Makes something go wrong for the length of a block, at whose end it is well again."""


def killed(name: str) -> Befalling:
    """A service's process dies, and is started again."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        process = installation.processes[name]
        process.kill()
        yield
        process.start()

    return befall


def frozen(name: str) -> Befalling:
    """A service's process stands still, its connections open."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        process = installation.processes[name]
        process.send(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send(signal.SIGCONT)

    return befall


def replaced_while_frozen(name: str) -> Befalling:
    """A worker stands still for so long that a second one takes its work over, then wakes."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        second = installation.another(name)
        second.start()
        second.wait_ready()
        try:
            with frozen(name)(installation):
                yield
        finally:
            second.stop()

    return befall


def joined_and_left(name: str) -> Befalling:
    """A second worker takes its share, and leaves in order."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        second = installation.another(name)
        second.start()
        second.wait_ready()
        try:
            yield
        finally:
            second.stop()

    return befall


def joined_and_died(name: str) -> Befalling:
    """A second worker takes its share, and dies."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        second = installation.another(name)
        second.start()
        second.wait_ready()
        try:
            yield
        finally:
            second.kill()

    return befall


@contextmanager
def restarted_in_turn(installation: Installation) -> Iterator[None]:
    """A release: every process ends in order and starts again, one after the other."""
    for name in PROCESSES:
        process = installation.processes[name]
        process.stop()
        process.start()
        process.wait_ready()
    yield


@contextmanager
def postgres_killed(installation: Installation) -> Iterator[None]:
    """PostgreSQL dies, and recovers from its log."""
    installation.server.kill()
    yield
    _start_postgres(installation)


@contextmanager
def postgres_restarted(installation: Installation) -> Iterator[None]:
    """PostgreSQL is stopped in order, under everybody's feet, and started again."""
    installation.server.stop()
    yield
    _start_postgres(installation)


def _start_postgres(installation: Installation) -> None:
    """Start it; who still holds its memory after a crash goes by themselves within seconds."""
    for _ in range(START_TRIES):
        try:
            return installation.server.start()
        except StackError:
            time.sleep(0.5)
    return installation.server.start()


@contextmanager
def postgres_frozen(installation: Installation) -> Iterator[None]:
    """PostgreSQL stands still, its connections open."""
    installation.postgres(signal.SIGSTOP)
    try:
        yield
    finally:
        installation.postgres(signal.SIGCONT)


@contextmanager
def read_only(installation: Installation) -> Iterator[None]:
    """The database takes no writes, as during a failover."""
    _set(installation, "default_transaction_read_only", "on")
    try:
        yield
    finally:
        _set(installation, "default_transaction_read_only", "off")


def _set(installation: Installation, name: str, value: str) -> None:
    url = installation.server.url().rpartition("/")[0] + "/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")


def brokers_killed(count: int) -> Befalling:
    """Brokers die, and are started again."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        cluster = installation.cluster
        for index in range(count):
            cluster.kill(index)
        yield
        for index in range(count):
            cluster.restart(index)
        cluster.wait_until_up()

    return befall


def brokers_frozen(count: int) -> Befalling:
    """Brokers stand still, their connections open."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        brokers = installation.cluster.brokers[:count]
        for broker in brokers:
            broker.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for broker in brokers:
                broker.send(signal.SIGCONT)

    return befall


@contextmanager
def clock_jumped(installation: Installation) -> Iterator[None]:
    """The clock of the router's worker goes an hour wrong, and is put right."""
    installation.clock.jump(3600)
    try:
        yield
    finally:
        installation.clock.jump(0)
