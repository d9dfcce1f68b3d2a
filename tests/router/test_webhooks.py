"""Units are told of their queues where they want to be: signed, in order, and at least once."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.router.domain.webhooks import (
    LONGEST_REST,
    LONGEST_WISH,
    RETRIES,
    literal,
    may_reach,
    networks_of,
    next_try,
    rest_after,
)
from services.router.storage.webhook_secrets import webhook_seals
from services.router.webhooks import PATIENCE_SECONDS, Webhooks
from shared.roles import Role
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.router.station import Json, Station, open_station
from tests.serving import served

UNIT = "urban-management"
ALLOWED = "127.0.0.0/8"


class Receiver(http.server.ThreadingHTTPServer):
    """A receiver that keeps what it gets and answers as it is told."""

    daemon_threads = True

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if trust is not None:
            self.socket = trust.wrap_socket(self.socket, server_side=True)
        self.answers: list[int] = []
        self.hang = threading.Event()
        self.hang.set()
        self.got: list[tuple[Mapping[str, str], bytes]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def items(self) -> list[Json]:
        return [json.loads(body) for _, body in self.got]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that has gone is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append((dict(self.headers), body))
        server.hang.wait(30)
        status = server.answers.pop(0) if server.answers else 204
        self.send_response(status)
        if status in (301, 307):
            self.send_header("Location", f"http://127.0.0.1:{server.port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiving(trust: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    with Receiver(trust) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.hang.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def whole(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A router that may reach receivers on this machine."""
    settings = own_databases(server, tmp_path_factory.mktemp("webhooks"))
    with open_station(settings.model_copy(update={"webhook_networks": ALLOWED})) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def station(whole: Station) -> Station:
    with whole.database.writing() as writer:
        for table in ("webhook", "queue_entry", "unit_feed"):
            writer.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    return whole


@pytest.fixture
def telling(station: Station) -> Iterator[Webhooks]:
    webhooks = served_by(station)
    yield webhooks
    webhooks.close()


def served_by(
    station: Station, allowed: str = ALLOWED, trust: ssl.SSLContext | None = None
) -> Webhooks:
    """A process that tells the units of this router."""
    return Webhooks(station.database, networks_of(allowed), webhook_seals(station.settings), trust)


def added(station: Station, url: str, unit: str = UNIT) -> tuple[str, str]:
    """The id and the secret of a new webhook."""
    answer = station.post(f"/units/{unit}/webhooks", {"url": url}, Role.UNIT, unit)
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook"]["id"], answer.json()["secret"]


def to(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.port}/hook"


def settle(telling: Webhooks, seconds: float = 15) -> None:
    """Serve until there is nothing to do."""
    deadline = time.monotonic() + seconds
    while telling.step():
        assert time.monotonic() < deadline


def row(station: Station, webhook: str, unit: str = UNIT) -> Json:
    found = station.get(f"/units/{unit}/webhooks", Role.UNIT, unit).json()
    return next(each for each in found if each["id"] == webhook)


def deliveries(station: Station, webhook: str, query: str = "") -> list[Json]:
    path = f"/units/{UNIT}/webhooks/{webhook}/deliveries{query}"
    found: list[Json] = station.get(path, Role.UNIT, UNIT).json()["items"]
    return found


def hurry(station: Station) -> None:
    """Let every wait be over."""
    with station.database.writing() as writer:
        writer.execute(text("UPDATE delivery SET next_try = now()"))
        writer.execute(text("UPDATE webhook SET resting_until = now()"))


def test_a_receiver_is_told_what_is_open_and_then_what_changes_in_order(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    first, second = station.opened(), station.opened()
    webhook, _ = added(station, to(receiver))
    settle(telling)
    assert [item["number"] for item in receiver.items()] == [first, second]
    station.done(first, "accept", unit=UNIT)
    station.done(second, "redispatch", lead_unit="power")
    settle(telling)
    told = receiver.items()[2:]
    assert [(item["number"], item["open"]) for item in told] == [(first, True), (second, False)]
    queue = station.get(f"/units/{UNIT}/queue", Role.UNIT, UNIT).json()["items"]
    assert told[0] == queue[0]
    states = [(d["number"], d["state"], d["status"]) for d in deliveries(station, webhook)]
    assert states == [(first, "delivered", 204), (second, "delivered", 204)]


def test_a_delivery_proves_where_it_comes_from(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    number = station.opened()
    webhook, secret = added(station, to(receiver))
    settle(telling)
    renewed = station.post(f"/units/{UNIT}/webhooks/{webhook}/secret", {}, Role.UNIT, UNIT).json()[
        "secret"
    ]
    station.done(number, "accept", unit=UNIT)
    settle(telling)
    for (headers, body), proofs in zip(receiver.got, ([secret], [renewed, secret]), strict=True):
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        keys = [base64.b64decode(proof.removeprefix("whsec_")) for proof in proofs]
        digests = [hmac.digest(key, said, hashlib.sha256) for key in keys]
        signatures = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
        assert headers["webhook-signature"].split() == signatures
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert len(set(ids)) == 2


def test_what_fails_is_tried_again_until_it_is_dead_and_can_be_replayed(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    number = station.opened()
    webhook, _ = added(station, to(receiver))
    receiver.answers = [500] * (len(RETRIES) + 1)
    for attempt in range(1, len(RETRIES) + 2):
        hurry(station)
        settle(telling)
        (found,) = deliveries(station, webhook)
        assert (found["attempts"], found["status"]) == (attempt, 500)
        assert found["state"] == ("waiting" if attempt <= len(RETRIES) else "dead")
    hurry(station)
    settle(telling)
    assert len(receiver.got) == len(RETRIES) + 1
    assert row(station, webhook)["dead"] == 1
    station.post(f"/units/{UNIT}/webhooks/{webhook}/replay", {}, Role.UNIT, UNIT)
    settle(telling)
    assert [d["number"] for d in deliveries(station, webhook, "?state=delivered")] == [number]


def test_a_receiver_that_was_away_gets_what_there_is_now_once(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    number = station.opened()
    webhook, _ = added(station, to(receiver))
    receiver.answers = [503]
    settle(telling)
    assert row(station, webhook)["failures"] == 1
    assert row(station, webhook)["resting_until"] is not None
    station.done(number, "accept", unit=UNIT)
    station.done(number, "contact", unit=UNIT, note="已联系")
    hurry(station)
    settle(telling)
    assert [item["case"]["state"] for item in receiver.items()] == ["dispatched", "in_progress"]
    assert row(station, webhook)["failures"] == 0


def test_a_redirect_is_not_followed_and_gone_means_gone(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    station.opened()
    webhook, _ = added(station, to(receiver))
    receiver.answers = [307, 410]
    settle(telling)
    assert deliveries(station, webhook)[0]["error"] == "答复 307"
    hurry(station)
    settle(telling)
    assert row(station, webhook)["state"] == "paused"
    station.opened()
    hurry(station)
    settle(telling)
    assert len(receiver.got) == 2
    station.post(f"/units/{UNIT}/webhooks/{webhook}/resume", {}, Role.UNIT, UNIT)
    settle(telling)
    assert row(station, webhook)["waiting"] == 0


def endless(connection: socket.socket) -> None:
    """Answer with a head that never ends."""
    try:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"x" * 50 + b"\r\n")
            time.sleep(0.2)
    except OSError:
        connection.close()


def test_a_slow_or_hostile_receiver_hurts_only_itself(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    with receiving() as silent, socket.create_server(("127.0.0.1", 0)) as drip:
        silent.hang.clear()
        threading.Thread(target=_accept, args=(drip,), daemon=True).start()
        station.opened(leaf="other.consumer_market")
        station.opened()
        slow, _ = added(station, to(silent))
        dripping, _ = added(station, f"http://127.0.0.1:{drip.getsockname()[1]}/")
        well, _ = added(station, to(receiver), "market")
        began = time.monotonic()
        while row(station, well, "market")["waiting"]:
            assert telling.step()
            assert time.monotonic() - began < PATIENCE_SECONDS / 2
        for _ in range(5):
            station.opened(leaf="other.consumer_market")
        while row(station, well, "market")["waiting"] or len(receiver.got) < 6:
            telling.step()
            assert time.monotonic() - began < PATIENCE_SECONDS - 1
        settle(telling, 3 * PATIENCE_SECONDS)
        for webhook in (slow, dripping):
            (found,) = deliveries(station, webhook)
            assert (found["state"], found["attempts"], found["status"]) == ("waiting", 1, None)
            assert "秒内没有答复" in found["error"]


def _accept(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=endless, args=(connection,), daemon=True).start()


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("192.88.99.1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
    ],
)
def test_only_public_addresses_and_allowed_networks_are_reached(
    address: str, reached: bool
) -> None:
    assert may_reach(address, networks_of("10.1.0.0/16")) is reached


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("ftp://example.org/", "invalid"),
        ("https://", "invalid"),
        ("https://user:pass@example.org/", "invalid"),
        ("https://example.org/#x", "invalid"),
        ("https://example.org:99999/", "invalid"),
        ("https://exa mple.org/", "invalid"),
        ("https://10.2.0.1/", "target-not-allowed"),
        ("https://169.254.169.254/latest", "target-not-allowed"),
        ("https://[::1]/", "target-not-allowed"),
        ("http://8.8.8.8/", "target-not-allowed"),
    ],
)
def test_a_target_that_must_not_be_reached_is_refused_at_once(
    station: Station, url: str, slug: str
) -> None:
    answer = station.post(f"/units/{UNIT}/webhooks", {"url": url}, Role.UNIT, UNIT)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:hotline:problem:{slug}")


def test_a_name_is_looked_at_when_it_is_used(station: Station, receiver: Receiver) -> None:
    station.opened()
    webhook, _ = added(station, f"http://localhost:{receiver.port}/hook")
    strict = served_by(station, allowed="")
    settle(strict)
    strict.close()
    assert receiver.got == []
    assert deliveries(station, webhook)[0]["error"] == "地址在内网，没有列入允许的网段"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("LOCALHOST.", "127.0.0.1"),
        ("hotline.localhost", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("8.8.8.8", "8.8.8.8"),
        ("localhost.example.cn", None),
        ("99999999999", None),
        ("12306.cn", None),
    ],
)
def test_a_host_is_an_address_in_whatever_way_it_is_written(host: str, address: str | None) -> None:
    assert literal(host) == address


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of this name shows, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(public, private)
    return shown, ssl.create_default_context(cafile=str(public))


@pytest.mark.parametrize(("name", "taken"), [("localhost", True), ("another.example", False)])
def test_the_receivers_certificate_is_that_of_its_name(
    station: Station, tmp_path: Path, name: str, taken: bool
) -> None:
    shown, trust = certificate(tmp_path, name)
    station.opened()
    with receiving(shown) as receiver:
        added(station, f"https://localhost:{receiver.port}/")
        telling = served_by(station, f"{ALLOWED},::1/128", trust)
        settle(telling)
        telling.close()
        assert bool(receiver.got) is taken
    assert station.value("SELECT state FROM delivery") == ("delivered" if taken else "waiting")


def test_a_crash_while_sending_repeats_and_loses_nothing(
    station: Station, receiver: Receiver
) -> None:
    number = station.opened()
    added(station, to(receiver))
    receiver.hang.clear()
    dying = served_by(station)
    while not receiver.got:
        dying.step()
    dying.close()
    receiver.hang.set()
    with station.database.writing() as writer:
        writer.execute(text("UPDATE webhook SET leased_until = now()"))
    next_one = served_by(station)
    settle(next_one)
    next_one.close()
    assert [item["number"] for item in receiver.items()] == [number, number]
    first, again = (headers["webhook-id"] for headers, _ in receiver.got)
    assert first == again


def test_two_processes_tell_everything_once(station: Station, receiver: Receiver) -> None:
    numbers = [station.opened() for _ in range(20)]
    added(station, to(receiver))
    both = [served_by(station) for _ in range(2)]
    threads = [threading.Thread(target=settle, args=(each,)) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in both:
        each.close()
    assert [item["number"] for item in receiver.items()] == numbers


def test_a_restored_database_tells_anew_what_is_open(
    station: Station, telling: Webhooks, receiver: Receiver
) -> None:
    first = station.opened()
    for _ in range(3):
        station.opened()
    added(station, to(receiver))
    settle(telling)
    with station.database.writing() as writer:
        writer.execute(text("DELETE FROM queue_entry WHERE number <> :n"), {"n": first})
        writer.execute(text("UPDATE unit_feed SET seq = 1"))
    later = station.opened()
    settle(telling)
    assert later in [item["number"] for item in receiver.items()[4:]]


def test_only_a_unit_and_the_supervisor_know_of_its_webhooks(
    station: Station, receiver: Receiver
) -> None:
    webhook, _ = added(station, to(receiver))
    path = f"/units/{UNIT}/webhooks"
    assert station.get(path, Role.SUPERVISOR).status_code == 200
    assert "secret" not in station.get(path, Role.UNIT, UNIT).json()[0]
    assert station.get(path, Role.DISPATCHER).status_code == 403
    assert station.get(path, Role.UNIT, "market").status_code == 404
    foreign = f"/units/market/webhooks/{webhook}"
    assert station.get(f"{foreign}/deliveries", Role.UNIT, "market").status_code == 404
    header = station.header(Role.UNIT, UNIT)
    assert station.client.delete(f"/api{path}/{webhook}", headers=header).status_code == 204
    assert station.get(path, Role.UNIT, UNIT).json() == []


def test_a_unit_has_so_many_webhooks_and_no_more(station: Station, receiver: Receiver) -> None:
    for _ in range(5):
        added(station, to(receiver))
    answer = station.post(f"/units/{UNIT}/webhooks", {"url": to(receiver)}, Role.UNIT, UNIT)
    assert answer.json()["type"] == "urn:hotline:problem:too-many-webhooks"


@given(st.integers(1, 10_000), st.timedeltas(timedelta(0), timedelta(days=300)))
def test_waits_grow_and_end(failures: int, wish: timedelta) -> None:
    assert rest_after(failures) <= LONGEST_REST
    assert rest_after(failures, wish) <= LONGEST_WISH
    assert (next_try(failures) is None) is (failures > len(RETRIES))


def test_the_example_over_http_resumes_where_it_stopped(station: Station, tmp_path: Path) -> None:
    first = station.opened()
    token = station.header(Role.UNIT, UNIT)["Authorization"].removeprefix("Bearer ")
    example = Path("deploy/example_http_consumer.py").resolve()
    code = [line for line in example.read_text().splitlines() if line.strip()]
    assert len(code) - code.index("import json") <= 35

    def lines(count: int, address: str) -> list[str]:
        process = subprocess.Popen(
            [sys.executable, example, UNIT, address],
            cwd=tmp_path,
            env={**os.environ, "HOTLINE_TOKEN": token},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        found = [process.stdout.readline() for _ in range(count)]
        deadline = time.monotonic() + 10
        seq = found[-1].split()[0]
        cursor = tmp_path / f"{UNIT}.cursor"
        while not (cursor.exists() and cursor.read_text().endswith(f":{seq}")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.communicate()
        return [line.split()[1] for line in found]

    with served(station.running.app) as address:
        assert lines(1, address) == [first]
        second, third = station.opened(), station.opened()
        assert lines(2, address) == [second, third]
        (tmp_path / f"{UNIT}.cursor").write_text(f"{UNIT}:999")
        assert lines(3, address) == [first, second, third]
