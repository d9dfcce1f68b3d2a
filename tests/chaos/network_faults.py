"""What can happen between the services and their servers, by the proxies that stand there."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaProducer

from shared.events import CASES, CLASSIFICATIONS, TICKET_RECEIVED, TICKETS
from tests.chaos.installation import Installation
from tests.chaos.process_faults import Befalling
from tests.chaos.proxy import Manner, Proxy

Way = Callable[[Installation], Sequence[Proxy]]


def to_database(installation: Installation) -> Sequence[Proxy]:
    """The way to PostgreSQL."""
    return (installation.database,)


def to_kafka(installation: Installation) -> Sequence[Proxy]:
    """The ways to all brokers."""
    return installation.brokers


def to_one_broker(installation: Installation) -> Sequence[Proxy]:
    """The way to one broker of three."""
    return installation.brokers[:1]


def treated(way: Way, manner: Manner, *, delay: float = 0.0) -> Befalling:
    """The proxies on a way change their manner, and are open again afterwards."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        proxies = way(installation)
        for proxy in proxies:
            proxy.treat(manner, delay=delay)
        try:
            yield
        finally:
            for proxy in proxies:
                proxy.treat(Manner.OPEN)

    return befall


def forgotten(way: Way) -> Befalling:
    """Something on the way forgets the connections there are: nothing passes, nobody hears of it.

    New ones work. At the end the old ones are hung up on.
    """

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        proxies = way(installation)
        for proxy in proxies:
            proxy.forget()
        try:
            yield
        finally:
            for proxy in proxies:
                proxy.hang_up_forgotten()

    return befall


def flickering(way: Way) -> Befalling:
    """Connections are cut, and cut again as soon as they are made anew."""

    @contextmanager
    def befall(installation: Installation) -> Iterator[None]:
        proxies = way(installation)
        for _ in range(10):
            for proxy in proxies:
                proxy.treat(Manner.CUT)
                proxy.treat(Manner.OPEN)
            time.sleep(0.5)
        yield

    return befall


READERS: Final = {
    TICKETS: frozenset({"classifier.tickets", "router.callers"}),
    CLASSIFICATIONS: frozenset({"router.cases", "intake.projection"}),
    CASES: frozenset({"classifier.cases", "intake.projection"}),
}
"""Every consumer, and where it reads."""


@contextmanager
def poisoned(installation: Installation) -> Iterator[None]:
    """Each consumer gets what is no event, and what says that it is one and is not."""
    producer: Any = KafkaProducer(
        bootstrap_servers=str(installation.direct.kafka).split(","), acks="all"
    )
    typed = [("ce_type", TICKET_RECEIVED.encode()), ("ce_time", b"yesterday")]
    bad: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (b"\x00\xff no JSON", []),
        (None, []),
        (b'{"ticket": "no"}', [*typed, ("ce_id", str(uuid.uuid4()).encode())]),
        (b"{}", [*typed, ("ce_id", b"not an id")]),
    ]
    for topic, consumers in READERS.items():
        for value, headers in bad:
            key = f"poison-{uuid.uuid4().hex}"
            # A consumer that handles some types only leaves the others unread.
            every = consumers if not headers else consumers & {"classifier.tickets"}
            installation.poisoned[key] = every
            producer.send(topic, key=key.encode(), value=value, headers=headers)
    producer.flush()
    producer.close()
    yield
