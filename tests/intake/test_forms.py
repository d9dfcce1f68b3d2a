"""A ticket is never refused for its form: what a caller says beside the matter is taken as said."""

from datetime import UTC, datetime, timedelta

import pytest

from services.intake.phones import dialable, national
from shared.roles import Role
from tests.intake.office import WORDS, Office

READABLE = [
    ("13820001234", "13820001234"),
    ("13820001234 ", "13820001234"),
    ("１３８２０００１２３４", "13820001234"),
    ("138 2000 1234 转 3", "13820001234"),
    ("138-2000-1234", "13820001234"),
    ("+86 138 2000 1234", "13820001234"),
    ("13820001234/13902001234", "13820001234"),
    ("13820001234，或27001234", "13820001234"),
    ("①③⑧②⓪⓪⓪①②③④", "13820001234"),
    ("(022)27001234", "02227001234"),
    ("（０２２）２７００１２３４分机801", "02227001234"),
    ("27001234", "02227001234"),
    ("022-27001234 ext. 12", "02227001234"),
]
UNREADABLE = [
    "不愿留电话",
    "138200012",
    "138****1234",
    "1",
    "+",
    "138\n2000",
    "微信: laowang",
    "转3",
]


@pytest.mark.parametrize(("phone", "number"), READABLE)
def test_a_phone_is_read_however_it_is_written(office: Office, phone: str, number: str) -> None:
    assert dialable(phone)
    assert national(phone) == number
    answer = office.post("/tickets", {"text": WORDS, "caller": {"phone": phone}})
    assert (answer.status_code, answer.json()["doubts"]) == (201, [])
    kept = office.get(f"/tickets/{answer.json()['number']}/caller").json()["phone"]
    assert kept == phone.strip()


@pytest.mark.parametrize("phone", UNREADABLE)
def test_a_phone_that_nobody_can_dial_is_taken_and_doubted(office: Office, phone: str) -> None:
    answer = office.post("/tickets", {"text": WORDS, "caller": {"phone": phone}})
    assert answer.status_code == 201, answer.text
    (doubt,) = answer.json()["doubts"]
    assert doubt["field"] == "caller.phone"
    assert phone not in doubt["message"]
    kept = office.get(f"/tickets/{answer.json()['number']}/caller").json()["phone"]
    assert kept == phone


def test_a_phone_may_come_as_a_number(office: Office) -> None:
    number = office.submit(caller={"phone": 13820001234})
    assert office.get(f"/tickets/{number}/caller").json()["phone"] == "13820001234"


@pytest.mark.parametrize("nothing", ["", "  ", "\u3000", "\u200b", None])
@pytest.mark.parametrize("field", ["title", "address", "external_id", "name", "phone"])
def test_an_empty_field_is_none(office: Office, field: str, nothing: str | None) -> None:
    inside = field in ("name", "phone")
    number = office.submit(**{"caller": {field: nothing}} if inside else {field: nothing})
    shown = office.get(f"/tickets/{number}{'/caller' if inside else ''}").json()
    assert shown[field] is None


def test_a_long_address_is_kept_whole(office: Office) -> None:
    address = "迎水道与红旗路交口往南第二个红绿灯右转进胡同" * 20
    number = office.submit(address=address)
    assert office.get(f"/tickets/{number}").json()["address"] == address


@pytest.mark.parametrize(
    "body", [{"text": "", "address": "迎水里"}, {"text": "又响了", "address": ""}]
)
def test_an_amendment_may_leave_one_of_two_empty(office: Office, body: dict[str, str]) -> None:
    assert office.post(f"/tickets/{office.submit()}/amendments", body).status_code == 201


def test_an_amendment_of_nothing_is_refused(office: Office) -> None:
    refused = office.post(f"/tickets/{office.submit()}/amendments", {"text": " ", "address": ""})
    assert refused.status_code == 422
    assert "至少填一项" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("offset", "minutes"), [("+08:00", 480), ("-11:00", -660), ("+23:59", 1439), ("-23:59", -1439)]
)
def test_an_instant_of_any_offset_is_the_same_instant(
    office: Office, offset: str, minutes: int
) -> None:
    happened = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    written = (happened + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S") + offset
    shown = office.get(f"/tickets/{office.submit(occurred_at=written)}").json()["occurred_at"]
    assert datetime.fromisoformat(shown) == happened


@pytest.mark.parametrize(
    ("ahead", "status"), [(timedelta(minutes=20), 201), (timedelta(days=2), 422)]
)
def test_what_has_not_happened_yet_is_asked_about(
    office: Office, ahead: timedelta, status: int
) -> None:
    body = {"text": WORDS, "occurred_at": (datetime.now(UTC) + ahead).isoformat()}
    answer = office.post("/tickets", body)
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["errors"][0]["field"] == "body.occurred_at"
        assert "不能晚于现在" in answer.json()["detail"]


def test_a_system_hears_of_a_doubt_too(office: Office) -> None:
    body = {"text": WORDS, "caller": {"phone": "无"}, "channel": "web"}
    assert office.post("/tickets", body, Role.SYSTEM).json()["doubts"]
