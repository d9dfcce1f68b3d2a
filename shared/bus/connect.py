"""Which bus this installation has: Kafka where `HOTLINE_KAFKA` is set, else the embedded one."""

from shared.bus import Bus
from shared.bus.embedded import EmbeddedBus
from shared.postgres import ensure_database, libpq
from shared.settings import Settings


def connect_bus(settings: Settings) -> Bus:
    """The bus of these settings; Kafka need not be up yet."""
    if settings.kafka is not None:
        from shared.bus.kafka import KafkaBus  # only an installation on Kafka loads its client

        return KafkaBus(
            settings.kafka,
            replication=settings.kafka_replication,
            security=settings.kafka_client(),
        )
    return EmbeddedBus(libpq(ensure_database(settings, "bus")))
