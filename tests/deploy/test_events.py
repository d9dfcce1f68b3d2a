"""The published contract is what the code says, and a change never breaks a consumer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from deploy.events.generate import (
    ASYNCAPI,
    DIRECTORY,
    breakages,
    documents,
    incompatibilities,
    render,
)
from shared.events import PAYLOADS


def test_the_documents_in_the_repository_are_those_of_the_code() -> None:
    stale = [
        name
        for name, document in documents().items()
        if not (DIRECTORY / name).exists() or (DIRECTORY / name).read_text() != render(document)
    ]
    assert stale == [], "run `make schemas`"


def test_the_code_breaks_nothing_that_is_published() -> None:
    assert breakages(documents(), DIRECTORY) == []


def test_asyncapi_names_every_event_type_and_only_existing_schemas() -> None:
    messages = documents()[ASYNCAPI]["components"]["messages"]
    assert set(messages) == set(PAYLOADS)
    for message in messages.values():
        assert message["payload"]["$ref"].removeprefix("./") in documents()


def test_asyncapi_says_where_the_bus_is_how_to_log_in_and_what_the_key_is() -> None:
    document = documents()[ASYNCAPI]
    (login,) = document["servers"]["district"]["security"]
    assert resolved(document, login["$ref"])["type"] == "scramSha512"
    for message in document["components"]["messages"].values():
        key = resolved(document, message["bindings"]["$ref"])["kafka"]["key"]
        assert key["type"] == "string"


def resolved(document: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_no_payload_has_a_field_for_a_callers_name_or_phone() -> None:
    text = json.dumps(documents())
    assert '"phone"' not in text
    assert '"caller"' not in text


OLD: dict[str, Any] = {
    "type": "object",
    "required": ["number"],
    "properties": {"number": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
    "$defs": {"Place": {"properties": {"street": {"type": "string"}}}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(OLD), **changes}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (changed(properties={"number": {"type": "string"}}), "kind is gone"),
        (changed(required=[]), "no longer always there"),
        (
            changed(properties={**OLD["properties"], "number": {"type": "integer"}}),
            "changed its type",
        ),
        (changed(**{"$defs": {}}), "Place is gone"),
        (changed(**{"$defs": {"Place": {"properties": {}}}}), "street is gone"),
    ],
)
def test_a_change_that_breaks_a_consumer_is_found(new: dict[str, Any], why: str) -> None:
    assert any(why in sentence for sentence in incompatibilities(OLD, new))


def test_a_new_field_and_a_new_value_break_nobody() -> None:
    kind = {"enum": ["a", "b", "c"]}
    new = changed(properties={**OLD["properties"], "kind": kind, "note": {"type": "string"}})
    assert incompatibilities(OLD, new) == []


def test_a_payload_or_an_event_type_that_is_gone_is_found(tmp_path: Path) -> None:
    wanted = documents()
    for name, document in wanted.items():
        (tmp_path / name).write_text(render(document))
    (tmp_path / "Withdrawn.v1.json").write_text("{}")
    fewer = copy.deepcopy(dict(wanted))
    del fewer[ASYNCAPI]["components"]["messages"]["hotline.ticket.received.v1"]
    assert breakages(fewer, tmp_path) == [
        "Withdrawn.v1.json: the payload is gone",
        "hotline.ticket.received.v1: the event type is gone",
    ]
