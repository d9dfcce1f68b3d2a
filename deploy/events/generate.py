"""`make schemas`: write the contract of the bus from the payload models.

A file is never replaced by one that would break a consumer of the same event version: what
is published as `.v1` may gain fields and values, which consumers ignore until they know
them, and lose nothing. A breaking change is a new version beside the old one.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shared.events import (
    CASES,
    CLASSIFICATIONS,
    DEADLETTER,
    PAYLOADS,
    QUEUE_PREFIX,
    TICKETS,
    WHISTLES,
    Payload,
)

DIRECTORY: Final = Path(__file__).parent
TOPICS: Final[Mapping[str, tuple[str, str, str]]] = {
    "hotline.ticket.": (TICKETS, "intake", "what citizens say through intake"),
    "hotline.classification.": (CLASSIFICATIONS, "classifier", "what tickets are about"),
    "hotline.case.": (CASES, "router", "what happens to cases"),
    "hotline.whistle.": (WHISTLES, "router", "what happens to whistles"),
    "hotline.queue.": (QUEUE_PREFIX + "{unit}", "router", "what one unit has to do now"),
    "hotline.deadletter.": (DEADLETTER, "every consumer", "messages that could not be handled"),
}
"""Event types by prefix: their topic, who writes it, and what it says."""

ASYNCAPI: Final = "asyncapi.json"
FIXED: Final = ("type", "format", "const", "anyOf", "items", "additionalProperties", "$ref")
"""What may not change within a version."""

BINDING: Final = "0.5.0"
"""The version of the Kafka binding's specification."""
KEY: Final = {"type": "string", "description": "the ticket's number, which orders its events"}

Schema = Mapping[str, Any]


def documents() -> dict[str, Schema]:
    """Every document by file name: a JSON Schema for each payload, and AsyncAPI."""
    schemas: dict[str, Schema] = {
        schema_file(model): {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:hotline:payload:{model.__name__}:v1",
            **model.model_json_schema(mode="validation"),
        }
        for model in PAYLOADS.values()
    }
    return {**schemas, ASYNCAPI: asyncapi()}


def schema_file(model: type[Payload]) -> str:
    """Where a payload's schema stands; several event types may share a payload."""
    return f"{model.__name__}.v1.json"


def asyncapi() -> Schema:
    """The AsyncAPI 3.0 document: topics, who writes them, and their messages."""
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for type_, model in PAYLOADS.items():
        topic, writer, says = next(v for prefix, v in TOPICS.items() if type_.startswith(prefix))
        name = topic.replace("{", "").replace("}", "")
        channel = channels.setdefault(name, {"address": topic, "description": says, "messages": {}})
        if "{unit}" in topic:
            channel["parameters"] = {"unit": {"description": "slug of a street or department"}}
        channel["messages"][type_] = {"$ref": f"#/components/messages/{type_}"}
        operations[f"publish.{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"written by {writer}",
        }
        messages[type_] = {
            "name": type_,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/cloudevent"},
            "payload": {"$ref": f"./{schema_file(model)}"},
            "bindings": {"$ref": "#/components/messageBindings/ticket"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hotline",
            "version": "1",
            "description": "CloudEvents 1.0, Kafka binding, binary mode; the key of a record is "
            f"the ticket's number. {WHISTLES} is reserved for whistles.",
        },
        "servers": {
            "district": {
                "host": "{brokers}",
                "protocol": "kafka-secure",
                "description": "The district's brokers; deploy/kafka/acls.py says who reads what.",
                "variables": {"brokers": {"description": "host:port, one of HOTLINE_KAFKA"}},
                "security": [{"$ref": "#/components/securitySchemes/scram"}],
            },
            "own": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "A broker of a developer's own, open to who reaches it.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {"cloudevent": cloudevent_headers()},
            "messageBindings": {"ticket": {"kafka": {"key": KEY, "bindingVersion": BINDING}}},
            "securitySchemes": {
                "scram": {"type": "scramSha512", "description": "A user of its own for each unit."}
            },
        },
    }


def cloudevent_headers() -> Schema:
    """The headers every record carries."""
    names = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time")
    return {
        "type": "object",
        "required": [*names, "content-type"],
        "properties": {
            **{name: {"type": "string"} for name in names},
            "content-type": {"const": "application/json"},
            "traceparent": {"type": "string", "description": "W3C trace context"},
        },
    }


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What a consumer of `old` could miss or misread in `new`, as sentences; empty if nothing."""
    found = _compare("payload", old, new)
    for name, schema in old.get("$defs", {}).items():
        if name not in new.get("$defs", {}):
            found.append(f"{name} is gone")
        else:
            found += _compare(name, schema, new["$defs"][name])
    return found


def _compare(place: str, old: Schema, new: Schema) -> list[str]:
    found = [f"{place} changed its {key}" for key in FIXED if old.get(key) != new.get(key)]
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            found.append(f"{place}.{name} is gone")
        else:
            found += _compare(f"{place}.{name}", schema, new["properties"][name])
    return found + [
        f"{place}.{name} is no longer always there"
        for name in set(old.get("required", ())) - set(new.get("required", ()))
    ]


def breakages(wanted: Mapping[str, Schema], directory: Path) -> list[str]:
    """What writing these documents over those in a directory would break, as sentences."""
    known = {path.name: json.loads(path.read_text()) for path in directory.glob("*.json")}
    gone = [f"{name}: the payload is gone" for name in known.keys() - wanted.keys()]
    types = known.get(ASYNCAPI, {}).get("components", {}).get("messages", {})
    still = wanted[ASYNCAPI]["components"]["messages"]
    gone += [f"{type_}: the event type is gone" for type_ in types.keys() - still.keys()]
    return gone + [
        f"{name}: {sentence}"
        for name in sorted(known.keys() & wanted.keys() - {ASYNCAPI})
        for sentence in incompatibilities(known[name], wanted[name])
    ]


def main() -> int:
    """Write all documents; 1 and nothing written where one would break a consumer."""
    wanted = documents()
    if broken := breakages(wanted, DIRECTORY):
        print("These changes break consumers; publish a new version instead:", file=sys.stderr)
        print("\n".join(f"  {line}" for line in broken), file=sys.stderr)
        return 1
    for name, document in wanted.items():
        (DIRECTORY / name).write_text(render(document))
    print(f"{len(wanted)} documents in {DIRECTORY}")
    return 0


def render(document: Schema) -> str:
    """A document as it is written to a file."""
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
