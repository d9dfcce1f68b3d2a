"""A command on a case or whistle is carried out once under one Idempotency-Key."""

from typing import Any

from shared.roles import Role
from tests.router.station import Station

LEAD = "urban-management"


def sent(
    station: Station, path: str, body: object, key: str, role: Role, unit: str | None = None
) -> Any:
    headers = station.header(role, unit) | {"Idempotency-Key": key}
    return station.client.post(f"/api{path}", json=body, headers=headers)


def test_a_command_that_is_sent_again_acts_once_and_is_answered_alike(station: Station) -> None:
    number = station.opened()
    body = {"unit": LEAD, "note": "已派人"}
    answers = [
        sent(station, f"/cases/{number}/accept", body, "sign", Role.UNIT, LEAD) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200] * 3, answers[0].text
    assert {answer.text for answer in answers} == {answers[0].text}
    assert station.facts(number).count("accepted") == 1
    without = sent(station, f"/cases/{number}/accept", body, "sign-2", Role.UNIT, LEAD)
    assert without.status_code == 409


def test_two_units_whose_clerks_are_called_alike_have_keys_of_their_own(station: Station) -> None:
    number = station.opened()
    station.done(number, "redispatch", lead_unit="power")
    path, body = f"/api/cases/{number}/accept", {"note": "已派人"}
    answers = {}
    for unit in ("power", LEAD):
        headers = station.header(Role.UNIT, unit, "值班员") | {"Idempotency-Key": "duty"}
        answers[unit] = station.client.post(path, json=body, headers=headers)
    assert answers["power"].status_code == 200, answers["power"].text
    assert answers[LEAD].status_code in (403, 404)


def test_a_question_may_carry_a_key_and_is_answered_anew(station: Station) -> None:
    body = {"text": "路灯坏了", "leaf": "grid.street_lighting"}
    first, second = (
        sent(station, "/route", asked, "question", Role.DISPATCHER)
        for asked in (body, {**body, "text": "迎水里路灯坏了"})
    )
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text != second.text


def test_every_post_says_that_it_takes_a_key(station: Station) -> None:
    described = station.client.get("/openapi.json").json()["paths"]
    for path, operations in described.items():
        for method, operation in operations.items():
            names = [parameter["name"] for parameter in operation.get("parameters", ())]
            assert ("Idempotency-Key" in names) is (method == "post"), (method, path)
