"""CloudEvents 1.0 on the bus, Kafka protocol binding, binary mode.

Attributes travel as headers, the payload's JSON is the record's value and the ticket's
number its key.
"""

import hashlib
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from shared.bus import Received
from shared.events import PAYLOADS, Payload

CURRENT_TRACE: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)
"""W3C trace context of what this thread or task is working on."""


class Malformed(Exception):
    """A record that is no event of ours: a header is missing or the payload does not fit."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to be published: `key` is the ticket's number, `time` when it happened.

    `id` is what makes a repetition the same event (see `event_id`); without one it is new.
    """

    topic: str
    type: str
    key: str
    payload: Payload
    time: datetime
    trace: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An event as a consumer gets it."""

    id: UUID
    type: str
    key: str
    time: datetime
    trace: str | None
    payload: Payload


def new_id(at: datetime) -> UUID:
    """An id nobody else has, ordered by time (UUID version 7, RFC 9562).

    Ids that come in their order fill an index at its end, where random ones touch all of it.
    """
    return _time_ordered(at, secrets.token_bytes(10))


def event_id(at: datetime, *words: object) -> UUID:
    """The same id for the same words at the same time, ordered by time.

    What is published again from what a service keeps has the id it had at first, so that
    whoever has handled it drops it.
    """
    said = "\n".join((at.astimezone(UTC).isoformat(), *map(str, words)))
    return _time_ordered(at, hashlib.sha256(said.encode()).digest()[:10])


def _time_ordered(at: datetime, rest: bytes) -> UUID:
    millis = int(at.timestamp() * 1000).to_bytes(6, "big")
    version, variant = bytes([0x70 | rest[0] & 0x0F]), bytes([0x80 | rest[2] & 0x3F])
    return UUID(bytes=millis + version + rest[1:2] + variant + rest[3:10])


def new_trace() -> str:
    """A fresh W3C `traceparent`, sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def headers_of(
    event_id: UUID, type_: str, source: str, key: str, time: datetime, trace: str | None
) -> Mapping[str, str]:
    """The headers of an event in the Kafka binding's binary mode."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": type_,
        "ce_source": f"/hotline/{source}",
        "ce_subject": key,
        "ce_time": time.isoformat(),
        "content-type": "application/json",
    }
    if trace is not None:
        headers["traceparent"] = trace
    return headers


def parse(received: Received) -> Message | None:
    """The message in a record, or None for a type this version does not know.

    An unknown type is no error: a newer producer may say more than an older consumer
    understands. Raises Malformed.
    """
    headers = received.record.headers
    try:
        model = PAYLOADS.get(headers["ce_type"])
        if model is None:
            return None
        return Message(
            id=UUID(headers["ce_id"]),
            type=headers["ce_type"],
            key=received.record.key,
            time=datetime.fromisoformat(headers["ce_time"]),
            trace=headers.get("traceparent"),
            payload=model.model_validate_json(received.record.value),
        )
    except KeyError as error:
        raise Malformed(f"header {error} is missing") from error
    except ValidationError as error:
        places = ", ".join(".".join(map(str, e["loc"])) or "payload" for e in error.errors())
        raise Malformed(f"payload does not fit {headers['ce_type']}: {places}") from error
    except ValueError as error:
        raise Malformed("header ce_id or ce_time does not parse") from error
