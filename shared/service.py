"""How a service runs: its HTTP side, its workers, or both, in one process.

A service describes itself as a `Service`; this module connects the parts, starts the
threads in order and stops them in the reverse one: first no more requests, then no more
messages, then the outbox relay, and the database last.
"""

import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import structlog
import typer
import uvicorn
from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import ASGIApp

from shared.auth import Authority
from shared.bus import Bus, BusUnavailable
from shared.bus.connect import connect_bus
from shared.consume import ConsumerLoop, Subscription
from shared.database import Database, migrate, missing_migrations
from shared.deadletter_commands import deadletter_commands
from shared.door import serving
from shared.events import CASES, CLASSIFICATIONS, DEADLETTER, TICKETS, WHISTLES
from shared.health import Check, Health
from shared.housekeeping import keep_house
from shared.logs import configure_logs
from shared.messaging import backlog
from shared.metrics import (
    BUS_UP,
    CONSUMER_LAG,
    DATABASE_UP,
    OUTBOX_AGE_SECONDS,
    OUTBOX_ROWS,
    PARKED,
    PARKED_AGE_SECONDS,
)
from shared.postgres import database_url, ensure_database
from shared.relay import Relay
from shared.repeats import Repeats
from shared.retention import Terms, load_terms
from shared.retrying import retrying
from shared.settings import Settings, load_settings
from shared.web import create_app

WORKER_PORT_OFFSET: Final = 100
"""A worker without an HTTP side serves health and metrics on the service's port plus this."""
SWITCH_SECONDS: Final = 0.001
"""How long one thread may keep the interpreter from another. A transaction's thread comes back
from the database many times; at Python's 5 ms each, it would spend its time waiting."""
GC_THRESHOLDS: Final = (50_000, 20, 100)
"""When the collector looks for rings of dead objects. What a batch makes dies by its counts: at
Python's 700 new objects the collector went through a batch many times over and found nothing."""
MONITOR_SECONDS: Final = 5.0
HOUSEKEEPING_SECONDS: Final = 3600.0
MIGRATION_PAUSES: Final = (*(0.2, 0.5, 1.0), *(2.0,) * 30)
"""Seconds between the tries of a migration: a minute in all, longer than a frozen peer's locks."""
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger()


@dataclass(frozen=True)
class Runtime:
    """The parts a running service works with."""

    settings: Settings
    database: Database
    bus: Bus
    authority: Authority
    relay: Relay
    terms: Terms


@dataclass(frozen=True)
class Parts:
    """What one service adds to the common machinery.

    `state` is what its routes work with, found as `app.state.parts`.
    `tasks` run on threads of their own beside the consumers until `Task.stop`; `checks`
    join the readiness; every few seconds `refresh` keeps a process up to date and, in a
    worker alone, `measure` sets the gauges of what the database holds: one truth, told by
    one process. `shortcut` stands before the routes and may answer for them.
    """

    router: APIRouter
    state: object
    subscriptions: Sequence[Subscription]
    tasks: Sequence["Task"] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    refresh: Callable[[], None] = lambda: None
    measure: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    shortcut: Callable[[ASGIApp], ASGIApp] | None = None


@dataclass(frozen=True)
class Service:
    """A service by name: its title for people, the topics it adds, and how it is built."""

    name: str
    title: str
    build: Callable[[Runtime], Parts]
    topics: Callable[[Settings], Mapping[str, int]] = lambda settings: {}


class Task(threading.Thread):
    """A step repeated until stopped: at once while it reports work, else after a pause."""

    def __init__(self, name: str, step: Callable[[], bool], pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._pause = pause
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End after the step in hand."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self._step()
            except Exception as error:
                log.warning(
                    "task_failed", task=self.name, error=type(error).__name__, exc_info=True
                )
                busy = False
            if not busy:
                self._stopping.wait(self._pause)


def standing_topics(settings: Settings) -> Mapping[str, int]:
    """The topics all services share, with their partitions."""
    many = settings.partitions
    return {TICKETS: many, CLASSIFICATIONS: many, CASES: many, WHISTLES: many, DEADLETTER: 1}


def release() -> str:
    """The version of the installed code."""
    try:
        return version("hotline")
    except PackageNotFoundError:
        return "0.1.0"


def prepare(settings: Settings, service: str) -> None:
    """Create and migrate the service's database, and the embedded bus's where it is used.

    The services may be running: a lock that they hold is given way to, and asked for again.
    """
    retrying(lambda: migrate(settings, service), MIGRATION_PAUSES)
    if settings.kafka is None:
        ensure_database(settings, "bus")


def all_topics(service: Service, settings: Settings) -> Mapping[str, int]:
    """The topics a service works with, with their partitions."""
    return {**standing_topics(settings), **service.topics(settings)}


def runtime_of(service: Service, settings: Settings) -> Runtime:
    """The parts a service works with, connected but not started."""
    database = Database(database_url(settings, service.name))
    bus = connect_bus(settings)
    relay = Relay(service.name, database, bus, all_topics(service, settings))
    terms = load_terms(settings.policy_dir)
    return Runtime(settings, database, bus, Authority(settings), relay, terms)


@contextlib.contextmanager
def consumers_of(
    service: Service, settings: Settings
) -> Iterator[tuple[Database, Sequence[Subscription]]]:
    """A service's database and consumers without their threads, for a command."""
    runtime = runtime_of(service, settings)
    parts = service.build(runtime)
    try:
        yield runtime.database, parts.subscriptions
    finally:
        parts.close()
        runtime.bus.close()
        runtime.database.close()


class Running:
    """A started service: threads while inside the context, a FastAPI application to serve."""

    def __init__(self, service: Service, settings: Settings, *, workers: bool, api: bool) -> None:
        self._service = service
        self._migrated = False
        topics = all_topics(service, settings)
        self.runtime = runtime_of(service, settings)
        database, bus, relay = self.runtime.database, self.runtime.bus, self.runtime.relay
        self.parts = service.build(self.runtime)
        self._workers = workers
        self._loops = [
            ConsumerLoop(subscription, bus, database, topics, relay.wake)
            for subscription in (self.parts.subscriptions if workers else ())
        ]
        self._tasks = [
            *(self.parts.tasks if workers else ()),
            Task(f"{service.name}-monitor", self.measure, MONITOR_SECONDS),
            Task(f"{service.name}-housekeeping", self._keep_house, HOUSEKEEPING_SECONDS),
        ]
        checks: dict[str, Check] = {
            "database": database.answers,
            "schema": self._schema,
            "bus": bus.answers,
            **({"relay": relay.is_alive} if workers else {}),
            **{loop.name: loop.is_alive for loop in self._loops},
            **self.parts.checks,
        }
        health = Health(service.name, release(), checks)
        router = self.parts.router if api else APIRouter()
        self.app = create_app(
            health,
            router,
            self.runtime.authority,
            title=service.title,
            repeats=Repeats(database),
            shortcut=self.parts.shortcut if api else None,
        )
        self.app.state.parts = self.parts.state

    @contextlib.contextmanager
    def started(self) -> Iterator["Running"]:
        """Run the threads for the length of a block; the relay belongs to the workers."""
        if self._workers:
            self.runtime.relay.start()
        for thread in (*self._loops, *self._tasks):
            thread.start()
        try:
            yield self
        finally:
            for loop in self._loops:
                loop.stop()
            for task in self._tasks:
                task.stop()
            for thread in (*self._loops, *self._tasks):
                thread.join(timeout=10)
            self.parts.close()
            if self._workers:
                self.runtime.relay.stop()
            self.runtime.bus.close()
            self.runtime.database.close()

    def _schema(self) -> bool | str:
        """Whether the database has every migration of this code; once it has, it keeps them."""
        if not self._migrated:
            try:
                missing = missing_migrations(self.runtime.database, self._service.name)
            except (DBAPIError, PoolTimeout):
                return False
            if missing:
                return f"missing migrations: {', '.join(missing)}"
            self._migrated = True
        return True

    def measure(self) -> bool:
        """Refresh the gauges; a step of a task, with nothing more to do."""
        name = self._service.name
        up = self.runtime.database.answers()
        DATABASE_UP.labels(name).set(up)
        BUS_UP.labels(name).set(self.runtime.bus.answers())
        if up:
            with self.runtime.database.reading() as reader:
                waiting = backlog(reader)
            OUTBOX_ROWS.labels(name).set(waiting.events)
            OUTBOX_AGE_SECONDS.labels(name).set(waiting.events_age)
            PARKED.labels(name).set(waiting.parked)
            PARKED_AGE_SECONDS.labels(name).set(waiting.parked_age)
            self.parts.refresh()
            if self._workers:
                self.parts.measure()
        with contextlib.suppress(BusUnavailable):  # BUS_UP says it already
            for subscription in self.parts.subscriptions:
                lag = self.runtime.bus.lag(subscription.group, subscription.topics)
                for topic, records in lag.items():
                    CONSUMER_LAG.labels(subscription.group, topic).set(records)
        return False

    def _keep_house(self) -> bool:
        runtime = self.runtime
        keep_house(runtime.database, runtime.bus, runtime.terms, datetime.now(UTC))
        return False


def serve(service: Service, settings: Settings, *, api: bool, workers: bool, port: int) -> None:
    """Run until SIGINT or SIGTERM, then stop in order."""
    configure_logs(service.name, settings.log_level)
    running = Running(service, settings, workers=workers, api=api)
    config = uvicorn.Config(
        running.app,
        host=settings.host,
        port=port,
        proxy_headers=False,
        **serving(),
    )
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, lambda *_: None)
    with running.started():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        sys.setswitchinterval(SWITCH_SECONDS)
        log.info("started", port=port, api=api, workers=workers)
        uvicorn.Server(config).run()
    for stop_signal in STOP_SIGNALS:
        # The interpreter gives handlers of ours up before it ends: a second signal would kill it.
        signal.signal(stop_signal, signal.SIG_IGN)
    log.info("stopped")


def command_line(service: Service) -> typer.Typer:
    """The commands every service has; a service adds its own."""
    cli = typer.Typer(no_args_is_help=True, add_completion=False, help=service.title)

    @cli.command("all")
    def run_all() -> None:
        """Run the HTTP side and the workers."""
        settings = load_settings()
        serve(service, settings, api=True, workers=True, port=settings.port_of(service.name))

    @cli.command("api")
    def run_api(port: int = 0) -> None:
        """Run the HTTP side alone, on its own port unless another is given."""
        settings = load_settings()
        port = port or settings.port_of(service.name)
        serve(service, settings, api=True, workers=False, port=port)

    @cli.command("worker")
    def run_worker(port: int = 0) -> None:
        """Run the workers alone; health and metrics are on the service's port plus 100."""
        settings = load_settings()
        port = port or settings.port_of(service.name) + WORKER_PORT_OFFSET
        serve(service, settings, api=False, workers=True, port=port)

    @cli.command("migrate")
    def run_migrate() -> None:
        """Bring the service's database to its newest schema."""
        prepare(load_settings(), service.name)

    cli.add_typer(
        deadletter_commands(
            lambda: Database(database_url(load_settings(), service.name)),
            lambda: consumers_of(service, load_settings()),
        ),
        name="deadletters",
    )
    return cli
