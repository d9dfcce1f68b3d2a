"""What an operator is shown of a call before it is a ticket."""

from typing import Any

import pytest

from shared.events import Heard
from shared.roles import Role
from tests.intake.office import Office

PHONE = "13820001234"


def glance(office: Office, **said: object) -> Any:
    answer = office.post("/glance", said)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(tickets: Any) -> list[str]:
    return [ticket["number"] for ticket in tickets]


def test_the_same_callers_tickets_are_found_however_the_phone_is_written(office: Office) -> None:
    number = office.submit(caller={"phone": PHONE})
    for written in (PHONE, "138 2000 1234", "+86 138-2000-1234"):
        assert numbers(glance(office, phone=written)["earlier"]) == [number]
    assert glance(office, phone="13820009999")["earlier"] == []


def test_a_caller_who_wants_to_stay_unknown_is_linked_to_nothing(office: Office) -> None:
    office.submit(caller={"phone": "13820005555"})
    office.submit(caller={"phone": "13820006666", "confidential": True})
    secret = {"phone": "13820005555", "text": "千万别说是我说的，楼下有人私搭乱建"}
    known = glance(office, **secret)
    assert known["heard"] == [Heard.SECRECY]
    assert known["earlier"] == []
    assert glance(office, phone="13820005555", confidential=True)["earlier"] == []
    assert glance(office, phone="13820006666")["earlier"] == []


def test_quoted_tickets_and_open_ones_at_the_place_are_shown(office: Office) -> None:
    quoted = office.submit(text="迎风里三号楼停水")
    there = office.submit(text="迎风里路灯不亮")
    done = office.submit(text="迎风里垃圾没人收")
    office.post(f"/tickets/{done}/close", {"reason": "withdrawn"})
    known = glance(office, text=f"我上回那个{quoted}怎么样了", place="迎风里")
    assert numbers(known["quoted"]) == [quoted]
    assert set(numbers(known["nearby"])) == {quoted, there}
    assert known["duplicates"] == []


@pytest.mark.parametrize(("phone", "doubted"), [(PHONE, False), ("1382000", True), ("没有", True)])
def test_a_phone_that_cannot_be_called_is_doubted(
    office: Office, phone: str, doubted: bool
) -> None:
    assert (glance(office, phone=phone)["phone_doubt"] is not None) is doubted


def test_a_glance_shows_no_contact_and_records_once_whose_phone_was_looked_for(
    office: Office,
) -> None:
    number = office.submit(caller={"name": "张三", "phone": "13820007777"})
    before = office.counts()
    for words in ("路灯坏了", "路灯坏了三天了"):
        answer = office.post("/glance", {"text": words, "phone": "13820007777"})
        assert "13820007777" not in answer.text
        assert "张三" not in answer.text
    after = office.counts()
    assert after == {**before, "caller_read": before["caller_read"] + 1}
    assert office.rows("SELECT granted FROM caller_read WHERE number = :n", n=number) == [(True,)]


@pytest.mark.parametrize("role", [Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM])
def test_only_operators_look(office: Office, role: Role) -> None:
    header = office.header(role, "market" if role is Role.UNIT else None)
    answer = office.client.post("/api/glance", json={"text": "路灯坏了"}, headers=header)
    assert answer.status_code == 403
