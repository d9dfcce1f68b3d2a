"""The classifier as a service: its models, its routes and what it listens to."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from services.classifier.api import Bench, router
from services.classifier.drift import EVERY_SECONDS, publish_drift
from services.classifier.handling import ticket_handler
from services.classifier.later_words import CASE_NOTES, WHISTLE_NOTES, listen
from services.classifier.live import LiveModels
from services.classifier.retention import EVERY_SECONDS as FORGET_EVERY_SECONDS
from services.classifier.retention import forgetting
from services.classifier.said_again import say_again
from services.classifier.shadow import Shadow
from services.classifier.taken_over import CORRECTED, take_over
from shared.consume import Handler, Subscription
from shared.database import Database, Writer
from shared.envelope import Message
from shared.events import CASES, TICKETS, UNACCOUNTED, WHISTLES
from shared.metrics import REVIEWS_WAITING
from shared.service import Parts, Runtime, Service, Task

SHADOW_PAUSE: Final = 0.2


def build(runtime: Runtime) -> Parts:
    """The classifier's parts; the model is read, or trained on the first start."""
    home = runtime.settings.home / "classifier"
    models = LiveModels(runtime.database, home)
    shadow = Shadow(models, runtime.database)
    return Parts(
        router=router,
        state=Bench(runtime.database, models, runtime.relay),
        subscriptions=[
            Subscription("classifier.tickets", (TICKETS,), live_handler(models, shadow)),
            Subscription(
                "classifier.cases",
                (CASES, WHISTLES),
                case_handler(models),
                CASE_NOTES | WHISTLE_NOTES | {CORRECTED, UNACCOUNTED},
            ),
        ],
        tasks=[
            Task("classifier-shadow", shadow.step, SHADOW_PAUSE),
            Task(
                "classifier-retention",
                forgetting(runtime.database, runtime.terms),
                FORGET_EVERY_SECONDS,
            ),
        ],
        checks={"model": lambda: bool(models.active.version)},
        refresh=models.refresh,
        measure=measures(runtime.database),
    )


def live_handler(models: LiveModels, shadow: Shadow) -> Handler:
    """Classifies each batch with the model that is in use when it comes."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        ticket_handler(models.active, shadow.hear)(writer, messages)

    return handle


def case_handler(models: LiveModels) -> Handler:
    """Listens to notes, takes over what people rule, and says again what the router misses."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        take_over(writer, messages)
        listen(writer, messages, models.active.version)
        say_again(writer, messages)

    return handle


def measures(database: Database) -> Callable[[], None]:
    """What runs every few seconds to set the gauges."""
    drift_at = -EVERY_SECONDS

    def measure() -> None:
        nonlocal drift_at
        with database.reading() as reader:
            count = reader.execute(text("SELECT count(*) FROM verdict WHERE abstained")).scalar()
            REVIEWS_WAITING.set(int(count or 0))
            if time.monotonic() - drift_at >= EVERY_SECONDS:
                publish_drift(reader, datetime.now(UTC))
                drift_at = time.monotonic()

    return measure


CLASSIFIER = Service(name="classifier", title="工单分类", build=build)
