"""The classifier as a service: its model, its routes and what it listens to."""

from sqlalchemy import text

from services.classifier.api import Bench, router
from services.classifier.classify import classify_many
from services.classifier.handling import ticket_handler
from services.classifier.model import load_or_train
from shared.consume import Subscription
from shared.events import TICKETS
from shared.metrics import REVIEWS_WAITING
from shared.service import Parts, Runtime, Service


def build(runtime: Runtime) -> Parts:
    """The classifier's parts; the model is loaded, or trained on the first start."""
    home = runtime.settings.home / "classifier"
    model = load_or_train(home)
    classify_many(model, [(None, "路灯不亮")])

    def measure() -> None:
        with runtime.database.reading() as reader:
            count = reader.execute(text("SELECT count(*) FROM verdict WHERE abstained")).scalar()
        REVIEWS_WAITING.set(int(count or 0))

    return Parts(
        router=router,
        state=Bench(runtime.database, model, home, runtime.relay),
        subscriptions=[Subscription("classifier.tickets", (TICKETS,), ticket_handler(model))],
        checks={"model": lambda: bool(model.version)},
        measure=measure,
    )


CLASSIFIER = Service(name="classifier", title="工单分类", build=build)
