"""Whole stacks for the tests: the embedded default, and Kafka with a PostgreSQL of its own."""

from collections.abc import Iterator

import pytest

from deploy.kafka.broker import KafkaCluster
from deploy.own_postgres import own_postgres
from deploy.stack import Stack, settings_for
from tests.conftest import public_home


@pytest.fixture(
    scope="package", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)]
)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Three running services; not a line of theirs knows on what they run."""
    with public_home() as home:
        if request.param == "embedded":
            with Stack(settings_for(home)) as running:
                yield running
            return
        # A broker of its own: ticket numbers begin anew with each stack, and on a shared broker
        # it would read what an earlier one left there about other tickets of the same number.
        with own_postgres(home) as database_url, KafkaCluster() as cluster:
            settings = settings_for(home, database_url=database_url, kafka=cluster.bootstrap)
            with Stack(settings) as running:
                yield running
