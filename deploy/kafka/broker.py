"""Apache Kafka brokers on this machine, out of published jars and without a container engine.

For tests, for the benchmark, and for trying hotline on Kafka by hand:
`python -m deploy.kafka.broker` starts one broker and prints its address until Ctrl-C.
Java 17 is needed, and Maven once to fetch the jars.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.ports import free_ports

VERSION: Final = "4.4.0"
LEAST_JAVA: Final = 17
JARS_VARIABLE: Final = "HOTLINE_KAFKA_JARS"
"""Names a folder that holds the jars already; nothing is fetched then."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
START_FAST: Final = "-XX:TieredStopAtLevel=1"
JVM: Final = {
    1: ("-XX:+UseSerialGC", "-Xms256m", "-Xmx512m"),
    3: ("-XX:+UseSerialGC", "-Xms128m", "-Xmx256m", START_FAST),
}
GUARD: Final = 'read _; kill -KILL "$1"; rm -rf "$2"'
POM: Final = Path(__file__).with_name("pom.xml")

PROPERTIES: Final = """
process.roles=broker,controller
node.id={node}
listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={protocol}://127.0.0.1:{port}
inter.broker.listener.name={protocol}
controller.listener.names=CONTROLLER
controller.quorum.voters={voters}
listener.security.protocol.map={protocol}:{protocol},CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=16777216
"""
CLIENTS_APART: Final = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
CLIENTS://127.0.0.1:{clients}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CLIENTS://127.0.0.1:{shown}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT
"""
"""Clients come through a proxy, the other brokers do not."""


class BrokerError(Exception):
    """A broker cannot be started here; the sentence says what is missing or went wrong."""


def obstacle() -> str | None:
    """Why no broker can be started on this machine, or None where one can."""
    java = shutil.which("java")
    if java is None:
        return "Java is not installed"
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', banner)
    if found is None or int(found[1]) < LEAST_JAVA:
        return f"Java {LEAST_JAVA} or newer is needed"
    if not _complete(_cache()) and shutil.which("mvn") is None:
        return f"Maven is not installed, and no jars are in {_cache()}"
    return None


def can_run() -> bool:
    """Whether a broker can be started here: Java, and the jars or Maven to fetch them."""
    return obstacle() is None


def fetch_jars() -> Path:
    """The folder of the broker's jars; fetched with Maven the first time.

    Safe to call from several processes at once. Raises BrokerError.
    """
    folder = _cache()
    if _complete(folder):
        return folder
    if (reason := obstacle()) is not None:
        raise BrokerError(reason)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(folder):
            _copy_dependencies(folder)
    return folder


def _copy_dependencies(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        maven = subprocess.run(
            [
                *("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"),
                *(f"-DoutputDirectory={unfinished}", "-DincludeScope=runtime"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if maven.returncode != 0:
            raise BrokerError(f"Maven could not fetch the jars of Kafka: {maven.stdout[-2000:]}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(unfinished, folder)


def _cache() -> Path:
    named = os.environ.get(JARS_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "hotline" / f"kafka-{VERSION}"


def _complete(folder: Path) -> bool:
    return (folder / f"kafka_2.13-{VERSION}.jar").exists() or (
        JARS_VARIABLE in os.environ and any(folder.glob("kafka_2.13-*.jar"))
    )


@dataclass(frozen=True)
class Guarded:
    """A broker that speaks TLS only, to whom SCRAM knows, and lets them do what an ACL allows.

    `identity` holds its key and certificate, `trusted` the authority's, both PEM; `users` are
    names and passwords, the first of them the super user.
    """

    identity: Path
    trusted: Path
    users: Mapping[str, str]

    @property
    def client(self) -> Mapping[str, str]:
        """What a client of the super user is told."""
        name, password = next(iter(self.users.items()))
        return self.client_of(name, password)

    def client_of(self, name: str, password: str) -> Mapping[str, str]:
        """What a client of some user is told."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.trusted),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": name,
            "sasl_plain_password": password,
        }

    def properties(self) -> str:
        """What is added to a broker's settings."""
        name, password = next(iter(self.users.items()))
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        return "\n".join(
            (
                "sasl.enabled.mechanisms=SCRAM-SHA-512",
                "sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
                f'{login} username="{name}" password="{password}";',
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={self.identity}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self.trusted}",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                f"super.users=User:{name};User:ANONYMOUS",
                "",
            )
        )

    def scram(self) -> list[str]:
        """The users as the format command takes them."""
        return [
            argument
            for name, password in self.users.items()
            for argument in (
                "--add-scram",
                f"SCRAM-SHA-512=[name={name},password={password}]",
            )
        ]


@dataclass(frozen=True)
class Proxied:
    """Clients reach a broker's port `clients` through a proxy that listens on `shown`."""

    clients: int
    shown: int


class Broker:
    """One broker, also a controller: its folder, its ports, and its process while it runs."""

    def __init__(
        self,
        node: int,
        folder: Path,
        ports: tuple[int, int],
        java: Sequence[str],
        guarded: Guarded | None = None,
        proxied: Proxied | None = None,
    ) -> None:
        self.node = node
        self._guarded = guarded
        self._proxied = proxied
        self.port, self.controller_port = ports
        self._java = java
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self._folder / "broker.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, voters: str, brokers: int) -> None:
        """Write the settings and make the data folder ready."""
        self._folder.mkdir(parents=True)
        guarded = self._guarded
        self._settings.write_text(
            PROPERTIES.format(
                protocol="SASL_SSL" if guarded else "PLAINTEXT",
                node=self.node,
                port=self.port,
                controller=self.controller_port,
                voters=voters,
                data=self._folder / "data",
                copies=brokers,
                in_sync=brokers // 2 + 1,
            )
            + (guarded.properties() if guarded else "")
            + self._clients_apart()
        )
        done = subprocess.run(
            [
                *(*self._java, START_FAST, "kafka.tools.StorageTool", "format"),
                *("-t", cluster_id, "-c", str(self._settings)),
                *(guarded.scram() if guarded else ()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BrokerError(f"the data folder could not be formatted: {done.stderr[-2000:]}")

    def start(self) -> None:
        """Start the process; it ends with this one, however this one ends."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # The guard reads a pipe that only this process holds: when it ends, so does the broker.
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self._process.pid), str(self._folder.parent)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self, how: signal.Signals) -> None:
        """Send a signal; `wait` sees the process off."""
        if self._guard is not None:
            self._guard.kill()
            with self._guard:
                self._guard = None
        if self.running and self._process is not None:
            self._process.send_signal(how)

    def send(self, how: signal.Signals) -> None:
        """Send a signal that the process outlives, such as those that freeze and thaw it."""
        if self.running and self._process is not None:
            self._process.send_signal(how)

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended, and make it end after `seconds`."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _clients_apart(self) -> str:
        if self._proxied is None:
            return ""
        ports = {"port": self.port, "controller": self.controller_port, **vars(self._proxied)}
        return CLIENTS_APART.format(**ports)

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"


class KafkaCluster:
    """One broker, or three that survive the loss of one. A context manager.

    The data lie in a temporary folder that goes with the cluster. `proxied` names for each
    broker the ports by which clients reach it through a proxy.
    """

    def __init__(
        self,
        brokers: int = 1,
        guarded: Guarded | None = None,
        proxied: Sequence[Proxied] = (),
    ) -> None:
        self._client = dict(guarded.client) if guarded else {}
        if brokers not in JVM:
            raise ValueError(f"one broker or three, not {brokers}")
        jars = fetch_jars()
        self._folder = Path(tempfile.mkdtemp(prefix="hotline-kafka-"))
        ports = free_ports(2 * brokers)
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        java = ["java", *JVM[brokers], quiet, "-cp", f"{jars}/*"]
        self.brokers = [
            Broker(
                node,
                self._folder / f"broker-{node}",
                (ports[2 * i], ports[2 * i + 1]),
                java,
                guarded,
                proxied[i] if proxied else None,
            )
            for i, node in enumerate(range(1, brokers + 1))
        ]

    @property
    def bootstrap(self) -> str:
        """What a client connects to: every broker's address."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        """Format the data folders, start all brokers, and wait until they answer."""
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().lstrip("-")
        voters = ",".join(f"{b.node}@127.0.0.1:{b.controller_port}" for b in self.brokers)
        with ThreadPoolExecutor() as at_once:
            list(
                at_once.map(lambda b: b.format(cluster_id, voters, len(self.brokers)), self.brokers)
            )
        for broker in self.brokers:
            broker.start()
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until every broker that was started is a member of the cluster."""
        deadline = time.monotonic() + START_SECONDS
        started = [broker for broker in self.brokers if broker.running]
        while not self._all_answer(started):
            dead = [broker for broker in started if not broker.running]
            if dead or time.monotonic() > deadline:
                logs = "\n".join(broker.log.read_text()[-2000:] for broker in dead or started)
                raise BrokerError(f"Kafka did not come up:\n{logs}")
            time.sleep(0.1)

    def _all_answer(self, brokers: Sequence[Broker]) -> bool:
        # A broker that crashed counts as a member for seconds; its port tells that it is back.
        if not all(_listens(broker.port) for broker in brokers):
            return False
        try:
            client = KafkaAdminClient(
                bootstrap_servers=[broker.address for broker in brokers],
                request_timeout_ms=2000,
                **self._client,
            )
            try:
                known = client.describe_cluster()["brokers"]
            finally:
                client.close()
        except KafkaError:
            return False
        members = {broker["port"] for broker in known if not broker["is_fenced"]}
        return members >= {broker.port for broker in brokers}

    def kill(self, index: int) -> None:
        """End one broker with SIGKILL, as a crash would."""
        self.brokers[index].end(signal.SIGKILL)
        self.brokers[index].wait(STOP_SECONDS)

    def restart(self, index: int) -> None:
        """Start a broker that was killed, on its ports and its data; returns at once."""
        self.brokers[index].start()

    def stop(self) -> None:
        """Stop all brokers in order and remove their data."""
        for broker in self.brokers:
            broker.end(signal.SIGTERM)
        for broker in self.brokers:
            # Of three only the majority can hand over in order; the last would wait for it.
            broker.wait(STOP_SECONDS if len(self.brokers) == 1 else 2)
        shutil.rmtree(self._folder, ignore_errors=True)

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


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _until_terminated() -> Iterator[None]:
    """End the block in order on Ctrl-C and on SIGTERM alike."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        yield


def main() -> None:
    """Run one broker in the foreground."""
    if (reason := obstacle()) is not None:
        sys.exit(f"Kafka cannot run here: {reason}")
    print("starting a Kafka broker ...", file=sys.stderr)
    with _until_terminated(), KafkaCluster() as cluster:
        print(f"HOTLINE_KAFKA={cluster.bootstrap}", flush=True)
        print("Ctrl-C stops it and removes its data", file=sys.stderr)
        signal.pause()


if __name__ == "__main__":
    main()
