"""Which bus this installation has: Kafka where `HOTLINE_KAFKA` is set, else the embedded one."""

from shared.bus import Bus
from shared.bus.embedded import EmbeddedBus
from shared.bus.kafka import KafkaBus
from shared.postgres import ensure_database, libpq
from shared.settings import Settings


def connect_bus(settings: Settings) -> Bus:
    """The bus of these settings; Kafka need not be up yet."""
    if settings.kafka is not None:
        return KafkaBus(settings.kafka, replication=settings.kafka_replication)
    return EmbeddedBus(libpq(ensure_database(settings, "bus")))
