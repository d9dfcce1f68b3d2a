"""What the faults befall: real services, three brokers and a PostgreSQL, with proxies between.

Services reach the servers through proxies alone; who looks on goes around them.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil
from pydantic import SecretStr

from deploy.kafka.broker import KafkaCluster, Proxied
from deploy.own_postgres import OwnPostgres
from deploy.ports import free_ports
from deploy.stack import SERVICES, Process, borrow_model, settings_for
from shared.auth import issue_token
from shared.roles import Role
from shared.service import prepare
from shared.settings import Settings
from tests.chaos.clocks import Clock
from tests.chaos.proxy import Network, Proxy
from tests.conftest import public_home

BROKERS: Final = 3
API: Final = "intake-api"
WORKERS: Final = ("intake-worker", "classifier-worker", "router-worker")
PROCESSES: Final = (API, *WORKERS)


@dataclass
class Installation:
    """The parts of an installation, in reach of whoever breaks and mends them.

    `settings` are those of the services, `direct` lead around the proxies. `poisoned` are
    the keys of bad messages, each with the consumers that must have parked it.
    """

    settings: Settings
    direct: Settings
    server: OwnPostgres
    cluster: KafkaCluster
    database: Proxy
    brokers: Sequence[Proxy]
    clock: Clock
    processes: Mapping[str, Process]
    poisoned: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def operator(self) -> str:
        """The token of somebody who takes calls."""
        return issue_token(self.direct, Role.OPERATOR)

    def another(self, name: str) -> Process:
        """One more process of a kind, not yet started."""
        return _process(self.settings, name, self.clock)

    def postgres(self, how: signal.Signals) -> None:
        """Send a signal to all processes of the server, the first of them first."""
        first = psutil.Process(self.server.pid)
        for process in (first, *first.children(recursive=True)):
            process.send_signal(how)


@contextmanager
def installed() -> Iterator[Installation]:
    """An installation that works, for the length of a block."""
    ports = free_ports(1 + 2 * BROKERS)
    shown, clients = ports[1 : 1 + BROKERS], ports[1 + BROKERS :]
    proxied = [Proxied(*pair) for pair in zip(clients, shown, strict=True)]
    with (
        public_home() as home,
        Network() as network,
        OwnPostgres(home) as server,
        KafkaCluster(BROKERS, proxied=proxied) as cluster,
    ):
        database = network.proxy(ports[0], server.port)
        brokers = [network.proxy(each.shown, each.clients) for each in proxied]
        addresses = ",".join(f"127.0.0.1:{port}" for port in shown)
        copies = {"kafka_replication": BROKERS}
        settings = settings_for(home, database_url=server.url(database.port), kafka=addresses)
        settings = settings.model_copy(update=copies)
        around = {"database_url": SecretStr(server.url()), "kafka": cluster.bootstrap}
        direct = settings.model_copy(update=around)
        for service in SERVICES:
            prepare(direct, service)
        borrow_model(home)
        clock = Clock(home)
        processes = {name: _process(settings, name, clock) for name in PROCESSES}
        installation = Installation(
            settings, direct, server, cluster, database, brokers, clock, processes
        )
        try:
            for process in processes.values():
                process.start()
            for process in processes.values():
                process.wait_ready()
            yield installation
        finally:
            for process in processes.values():
                process.send(signal.SIGTERM)
            for process in processes.values():
                process.stop()


def _process(settings: Settings, name: str, clock: Clock) -> Process:
    """A process by name; the one that keeps deadlines has a clock that can jump."""
    service, _, side = name.partition("-")
    environment = clock.environment if name == "router-worker" else {}
    return Process(settings, service, side, environment)
