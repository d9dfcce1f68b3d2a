"""Whole stacks for the tests: the embedded default, and Kafka with a PostgreSQL of its own."""

from collections.abc import Iterator

import pytest

from deploy.stack import Stack, own_postgres, settings_for
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
        kafka: str = request.getfixturevalue("kafka")
        with own_postgres(home) as database_url:
            settings = settings_for(home, database_url=database_url, kafka=kafka)
            with Stack(settings) as running:
                yield running
