"""What was said of a ticket, said again where its case is missed; under the id it had."""

from collections.abc import Sequence

from services.classifier.handling import event_of, held
from shared.database import Writer
from shared.envelope import Message
from shared.events import Unaccounted
from shared.messaging import emit


def say_again(writer: Writer, messages: Sequence[Message]) -> None:
    """Publish the classifications of tickets that have reached us and not the router."""
    missed = {m.key for m in messages if isinstance(m.payload, Unaccounted)}
    if missed:
        emit(writer, [event_of(said) for said in held(writer, sorted(missed)).values()])
