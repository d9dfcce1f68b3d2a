"""Kafka as districts have it: TLS, passwords, and a unit that reads its own queue alone."""

import datetime
import itertools
import secrets
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from deploy.kafka.acls import rights, told
from deploy.kafka.broker import Guarded, KafkaCluster
from shared.bus.kafka import KafkaBus
from shared.events import queue_topic
from shared.settings import Settings

pytestmark = pytest.mark.kafka
Cluster = tuple[KafkaCluster, Guarded]
UNITS = ("wangdingdi", "market")
PASSWORDS = {name: secrets.token_hex(12) for name in ("admin", "hotline", *UNITS)}


def certified(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate, and the key and certificate it gave to 127.0.0.1; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    identity, trusted = folder / "identity.pem", folder / "trusted.pem"
    identity.write_bytes(private + public)
    trusted.write_bytes(public)
    return identity, trusted


@pytest.fixture(scope="module")
def kafka_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    identity, trusted = certified(tmp_path_factory.mktemp("tls"))
    guarded = Guarded(identity, trusted, PASSWORDS)
    with KafkaCluster(guarded=guarded) as running:
        admin = KafkaAdminClient(bootstrap_servers=running.bootstrap, **guarded.client)
        assert admin.create_acls(rights(UNITS))["failed"] == []
        admin.close()
        yield running, guarded


def settings_of(kafka_cluster: Cluster, user: str, password: str) -> Settings:
    running, guarded = kafka_cluster
    return Settings(
        kafka=running.bootstrap,
        kafka_security="SASL_SSL",
        kafka_ca=guarded.trusted,
        kafka_user=user,
        kafka_password=password,
    )


def bus_of(settings: Settings) -> KafkaBus:
    assert settings.kafka is not None
    return KafkaBus(settings.kafka, security=settings.kafka_client())


def read(kafka_cluster: Cluster, user: str, topic: str, group: str) -> list[bytes]:
    running, guarded = kafka_cluster
    consumer: Any = KafkaConsumer(
        topic,
        bootstrap_servers=running.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
        **guarded.client_of(user, PASSWORDS[user]),
    )
    try:
        return [record.value for record in itertools.islice(consumer, 1)]
    finally:
        consumer.close()


def test_the_services_work_over_tls_with_their_password(
    kafka_cluster: Cluster,
) -> None:
    bus = bus_of(settings_of(kafka_cluster, "hotline", PASSWORDS["hotline"]))
    bus.ensure_topics({queue_topic(unit): 1 for unit in UNITS})
    assert bus.answers()
    bus.close()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_no_bus(kafka_cluster: Cluster, password: str) -> None:
    bus = bus_of(settings_of(kafka_cluster, "hotline", password))
    assert not bus.answers()
    bus.close()


def test_a_unit_reads_its_own_queue_and_no_other(
    kafka_cluster: Cluster,
) -> None:
    running, guarded = kafka_cluster
    bus = bus_of(settings_of(kafka_cluster, "hotline", PASSWORDS["hotline"]))
    bus.ensure_topics({queue_topic(unit): 1 for unit in UNITS})
    bus.close()
    producer: Any = KafkaProducer(
        bootstrap_servers=running.bootstrap, **guarded.client_of("hotline", PASSWORDS["hotline"])
    )
    for unit in UNITS:
        producer.send(queue_topic(unit), unit.encode()).get(10)
    producer.close()
    assert read(kafka_cluster, "market", queue_topic("market"), "market.desk") == [b"market"]
    assert read(kafka_cluster, "market", queue_topic("wangdingdi"), "market.desk-2") == []
    with pytest.raises(KafkaError):
        read(kafka_cluster, "market", queue_topic("market"), "wangdingdi.desk")


def test_a_unit_writes_nothing(kafka_cluster: Cluster) -> None:
    running, guarded = kafka_cluster
    producer: Any = KafkaProducer(
        bootstrap_servers=running.bootstrap,
        enable_idempotence=False,
        **guarded.client_of("market", PASSWORDS["market"]),
    )
    with pytest.raises(KafkaError):
        producer.send(queue_topic("market"), b"mine").get(10)
    producer.close()


def test_every_unit_has_rights_to_its_own_queue_alone() -> None:
    lines = [told(right) for right in rights(UNITS)]
    for unit in UNITS:
        own = [line for line in lines if line.startswith(f"User:{unit} ")]
        assert own
        assert all(f"{unit}" in line.partition(" ")[2] for line in own)
        assert not any("ALL" in line or "WRITE" in line for line in own)
