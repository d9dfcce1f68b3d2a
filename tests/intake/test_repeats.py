"""A request is carried out once, however often it is sent under one Idempotency-Key."""

import asyncio
from collections import Counter
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from shared.auth import Principal
from shared.events import CaseState
from shared.repeats import claim_of
from shared.roles import Role
from tests.intake.office import Office, case_event, message

URGE = {"note": "还是没人来"}


def sent(office: Office, number: str, command: str, body: object, key: str, **who: Any) -> Any:
    return office.post(f"/tickets/{number}/{command}", body, key=key, **who)


@pytest.mark.parametrize(
    ("command", "body", "fact"),
    [
        ("urges", URGE, "hotline.ticket.urged.v1"),
        ("amendments", {"text": "又漏了一处"}, "hotline.ticket.amended.v1"),
        ("close", {"reason": "withdrawn", "note": "来电人说不用了"}, "hotline.ticket.closed.v1"),
        ("answer", {"answer": "告知办理材料"}, "hotline.ticket.closed.v1"),
    ],
)
def test_a_command_that_is_sent_again_acts_once_and_is_answered_alike(
    office: Office, command: str, body: object, fact: str
) -> None:
    number = office.submit(kind="consult")
    answers = [sent(office, number, command, body, f"again-{command}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3, answers[0].text
    assert {answer.text for answer in answers} == {answers[0].text}
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    told = [entry["type"] for entry in office.get(f"/tickets/{number}").json()["timeline"]]
    assert told.count(fact) == 1


def test_of_many_that_come_together_one_acts(office: Office) -> None:
    number = office.submit()

    async def storm() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(office.running.app)
        headers = office.header() | {"Idempotency-Key": "storm-of-urges"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://intake/api", headers=headers
        ) as client:
            posts = [client.post(f"/tickets/{number}/urges", json=URGE) for _ in range(12)]
            return list(await asyncio.gather(*posts))

    answers = office.in_loop(storm)
    assert Counter((answer.status_code, answer.text) for answer in answers) == {
        (201, answers[0].text): 12
    }
    assert office.get(f"/tickets/{number}").json()["urges"] == 1


def test_a_key_holds_for_one_sender_one_path_and_one_body(office: Office) -> None:
    first, second = office.submit(), office.submit()
    assert sent(office, first, "urges", URGE, "narrow").status_code == 201
    assert sent(office, second, "urges", URGE, "narrow").status_code == 201
    assert sent(office, first, "urges", URGE, "narrow", role=Role.SYSTEM).status_code == 201
    assert office.get(f"/tickets/{first}").json()["urges"] == 2
    other = sent(office, first, "urges", {"note": "另一句"}, "narrow")
    assert (other.status_code, other.json()["type"]) == (
        422,
        "urn:hotline:problem:idempotency-key-reused",
    )
    assert office.get(f"/tickets/{first}").json()["urges"] == 2


def test_what_was_refused_claims_nothing(office: Office) -> None:
    number = office.submit()
    body = {"solved": True, "satisfaction": "satisfied"}
    too_early = sent(office, number, "callbacks", body, "patient")
    assert too_early.status_code == 409
    office.tell(message(case_event(number, 1, CaseState.CALLBACK_PENDING), number))
    assert sent(office, number, "callbacks", body, "patient").status_code == 201
    assert sent(office, number, "urges", {"note": 1}, "bad").status_code == 422
    assert sent(office, number, "urges", URGE, "a b").status_code == 422


def test_an_answer_is_not_shown_again_for_ever(office: Office) -> None:
    number = office.submit()
    assert sent(office, number, "urges", URGE, "old").status_code == 201
    with office.running.runtime.database.writing() as writer:
        writer.execute(text("UPDATE request_once SET at = at - interval '11 minutes'"))
    again = sent(office, number, "urges", URGE, "old")
    assert (again.status_code, again.json()["type"]) == (409, "urn:hotline:problem:already-done")
    assert office.get(f"/tickets/{number}").json()["urges"] == 1


def test_an_answer_that_was_lost_is_not_made_up(office: Office) -> None:
    number = office.submit()
    assert sent(office, number, "urges", URGE, "lost").status_code == 201
    with office.running.runtime.database.writing() as writer:
        writer.execute(text("UPDATE request_once SET status = NULL WHERE status = 201"))
    again = sent(office, number, "urges", URGE, "lost")
    assert (again.status_code, again.json()["type"]) == (409, "urn:hotline:problem:already-done")
    assert office.get(f"/tickets/{number}").json()["urges"] == 1


def test_nobody_learns_of_a_ticket_by_another_senders_key(office: Office) -> None:
    number = office.submit()
    assert sent(office, number, "urges", URGE, "mine").status_code == 201
    foreign = office.client.post(
        f"/api/tickets/{number}/urges",
        json=URGE,
        headers=office.header(Role.UNIT, "market") | {"Idempotency-Key": "mine"},
    )
    assert foreign.status_code == 403


def test_keys_are_kept_as_hashes() -> None:
    claim = claim_of(Principal("li", Role.OPERATOR), "/api/tickets", "13820001234", b"{}")
    assert b"13820001234" not in claim.key
