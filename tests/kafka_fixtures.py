"""A real Kafka for the tests marked `kafka`: a broker of our own, or that of `HOTLINE_KAFKA`.

Where neither can be had these tests are skipped, and the summary says so loudly; with
`HOTLINE_REQUIRE_KAFKA=1`, as CI sets it, they fail instead.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.kafka.broker import KafkaCluster, obstacle

LEFT_OUT = pytest.StashKey[list[str]]()
OF_ITS_OWN = frozenset({"installation", "kafka_cluster", "empty_kafka", "stack"})
"""The fixtures that start brokers and use no running one."""
REQUIRED = os.environ.get("HOTLINE_REQUIRE_KAFKA") == "1"


def missing(own_broker: bool) -> str | None:
    """Why a test cannot have its Kafka; an own broker is one it shares with nobody."""
    if not own_broker and os.environ.get("HOTLINE_KAFKA"):
        return None
    return obstacle()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = []


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, or fail, a test for which there is no Kafka here."""
    if item.get_closest_marker("kafka") is None:
        return
    reason = missing(not OF_ITS_OWN.isdisjoint(getattr(item, "fixturenames", ())))
    if reason is None:
        return
    if REQUIRED:
        pytest.fail(f"HOTLINE_REQUIRE_KAFKA=1, but {reason}", pytrace=False)
    item.config.stash[LEFT_OUT].append(reason)
    pytest.skip(f"no Kafka: {reason}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out:
        terminalreporter.section("KAFKA WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(
            f"{len(left_out)} tests against a real Kafka were left out: {left_out[0]}."
        )
        terminalreporter.write_line(
            "Install Java 17 and Maven, or name a running broker with HOTLINE_KAFKA=host:port."
        )


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of a Kafka broker that all tests share."""
    running = os.environ.get("HOTLINE_KAFKA")
    if running:
        yield running
        return
    with KafkaCluster() as cluster:
        yield cluster.bootstrap


@pytest.fixture(scope="module")
def kafka_cluster() -> Iterator[KafkaCluster]:
    """Three brokers for a module that kills some of them."""
    with KafkaCluster(3) as cluster:
        yield cluster


@pytest.fixture
def empty_kafka() -> Iterator[str]:
    """The address of a broker that nobody has used."""
    with KafkaCluster() as cluster:
        yield cluster.bootstrap
