"""The caller's history: the same caller's last tickets, known by the phone alone, as a hint."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from pydantic import SecretStr

from services.intake.contract import Accepted, Submission
from services.intake.drafts import Draft, draft
from services.intake.history import KEPT, LOOKS_BACK, EarlierTicket, History, histories
from services.intake.phones import national
from services.intake.vault import FINGERPRINT_BYTES, Vault
from shared.events import CaseState, Certainty, Place, SplitTicket
from shared.roles import Role
from shared.settings import Settings
from tests.intake.office import NOW, WORDS, Office, case_event, dispatched, message

ANNA, BO = b"a" * FINGERPRINT_BYTES, b"b" * FINGERPRINT_BYTES
PEOPLE = (Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR)
HINTS = ("同一来电人近期另有2件工单：NK20261101-000001、NK20261102-000001",)


def vault(key: str = "5a" * 32) -> Vault:
    return Vault(Settings(home=Path("/nowhere"), vault_key=SecretStr(key)))


def by(phone: str | None, at: datetime = NOW, *, confidential: bool = False) -> Draft:
    """A call from a phone."""
    caller = {"name": "张三", "phone": phone, "confidential": confidential}
    return draft(Submission.model_validate({"text": WORDS, "caller": caller}), "li", None, at)


def taken_in(office: Office, *drafts: Draft) -> list[str]:
    """The numbers of drafts that were stored together."""
    receipts = office.store(*drafts)
    return [receipt.number for receipt in receipts if isinstance(receipt, Accepted)]


def history(office: Office, number: str) -> tuple[list[str], str | None]:
    ticket = office.get(f"/tickets/{number}").json()
    return ticket["earlier"], ticket["usual_street"]


def published(office: Office, number: str) -> list[Any]:
    """The tickets in what the bus is told, oldest version first."""
    said = [json.loads(payload) for payload in set(office.published(number))]
    return sorted((each["ticket"] for each in said), key=lambda ticket: ticket["version"])


def found_at(office: Office, number: str, street: str | None, version: int = 1) -> None:
    """The router says where a ticket is."""
    certainty = Certainty.UNKNOWN if street is None else Certainty.STREET
    place = Place(certainty=certainty, street=street)
    office.tell(message(case_event(number, version, place=place), number))


@contextmanager
def exchanges() -> Iterator[list[str]]:
    """What is sent to the database meanwhile on the connection of `Store`."""
    sent: list[str] = []
    ordinary = AsyncConnection.execute

    async def noted(self: Any, query: Any, *rest: Any, **named: Any) -> Any:
        sent.append(str(query))
        return await ordinary(self, query, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncConnection, "execute", noted)
        yield sent


@pytest.mark.parametrize(
    ("dialled", "written"),
    [
        ("13820001234", ["138 2000 1234", "138-2000-1234", "+86 138 2000 1234", "013820001234"]),
        ("13820001234", ["8613820001234", "0086 13820001234", "+86-013820001234"]),
        ("02227123456", ["27123456", "2712 3456", "022-27123456", "022 (2712) 3456"]),
        ("02227123456", ["+86 22 27123456", "0086-22-2712-3456", "+86 (022) 27123456"]),
        ("01065551234", ["010-65551234", "+86 10 6555 1234"]),
        ("+447700900123", ["+44 7700 900123"]),
        ("8622712345", ["8622712345"]),
        ("8890", ["8890"]),
    ],
)
def test_a_phone_is_the_same_however_it_is_written(dialled: str, written: Sequence[str]) -> None:
    assert {national(phone) for phone in written} == {dialled}


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_the_digits_of_a_phone_stay(mobile: str) -> None:
    assert national(f"+86 {mobile[:3]} {mobile[3:7]}-{mobile[7:]}") == mobile


def test_a_fingerprint_is_short_keyed_and_no_part_of_the_phone() -> None:
    (known,) = vault().fingerprints("138 2000 1234")
    assert len(known) == FINGERPRINT_BYTES
    assert (known,) == vault().fingerprints("13820001234")
    assert (known,) != vault().fingerprints("13820001235")
    assert (known,) != vault("a5" * 32).fingerprints("13820001234")


@pytest.mark.parametrize("phone", ["110", "8890", "12345", "000000", "00000000", "111-1111-1111"])
def test_a_number_that_is_nobodys_own_has_no_fingerprint(phone: str) -> None:
    assert vault().fingerprints(phone) == ()


def test_calls_of_one_batch_are_each_others_history_in_their_order() -> None:
    old = EarlierTicket("N0", "wanxing", None)
    callers = (ANNA, BO, None, ANNA, BO, None)
    calls = [(f"N{n}", caller, None) for n, caller in enumerate(callers, start=1)]
    assert list(histories(calls, {ANNA: (old,)})) == [
        History(("N0",), "wanxing"),
        History(),
        History(),
        History(("N1", "N0"), "wanxing"),
        History(("N2",)),
        History(),
    ]


@given(st.lists(st.sampled_from([ANNA, BO, None]), max_size=40))
def test_a_history_is_the_callers_own_last_tickets_newest_first(
    callers: Sequence[bytes | None],
) -> None:
    calls = list(enumerate(callers))
    told = list(histories([(f"{n:03}", caller, None) for n, caller in calls], {}))
    for at, caller in calls:
        own = [f"{n:03}" for n, other in calls[:at] if other == caller and caller is not None]
        assert told[at].earlier == tuple(own[::-1][:KEPT])


def test_the_second_call_names_the_first_to_people_and_on_the_bus_but_not_to_units(
    office: Office,
) -> None:
    first = office.submit(caller={"phone": "138 2000 0001"})
    found_at(office, first, "wanxing")
    second = office.submit(caller={"name": "李四", "phone": "+86 138-2000-0001"})
    assert history(office, first) == ([], None)
    assert history(office, second) == ([first], "wanxing")
    (received,) = published(office, second)
    assert (received["earlier"], received["usual_street"]) == ([first], "wanxing")
    office.tell(dispatched(second, "wangdingdi"))
    for role, unit, seen in (
        *((role, None, ([first], "wanxing")) for role in PEOPLE),
        (Role.UNIT, "wangdingdi", ([], None)),
    ):
        ticket = office.get(f"/tickets/{second}", role, unit).json()
        assert (ticket["earlier"], ticket["usual_street"]) == seen


def test_units_do_not_read_of_other_tickets_in_the_reasons_of_a_case(office: Office) -> None:
    number = office.submit()
    office.tell(message(case_event(number, 1, reasons=("迎水里属王顶堤街道", *HINTS)), number))
    for role, unit, reasons in (
        (Role.OPERATOR, None, ["迎水里属王顶堤街道", *HINTS]),
        (Role.UNIT, "wangdingdi", ["迎水里属王顶堤街道"]),
    ):
        assert office.get(f"/tickets/{number}", role, unit).json()["case"]["reasons"] == reasons


def test_who_calls_from_another_phone_or_none_has_no_history(office: Office) -> None:
    office.submit(caller={"phone": "13820000002"})
    for caller in ({"phone": "13820000003"}, {"name": "张三"}, None):
        assert history(office, office.submit(caller=caller)) == ([], None)


def test_calls_that_are_stored_together_know_of_each_other(office: Office) -> None:
    (before,) = taken_in(office, by("13820000004"))
    phones = ["13820000004", "13820000005", "138 2000 0004", None, "13820000005"]
    one, two, three, four, five = taken_in(office, *map(by, phones))
    assert [history(office, number)[0] for number in (one, two, three, four, five)] == [
        [before],
        [],
        [one, before],
        [],
        [two],
    ]


def test_the_last_five_of_ninety_days_count(office: Office) -> None:
    phone = "13820000006"
    old, limit = NOW - LOOKS_BACK, NOW - LOOKS_BACK + timedelta(minutes=1)
    taken_in(office, by(phone, old))
    (oldest,) = taken_in(office, by(phone, limit))
    (late,) = taken_in(office, by(phone))
    assert history(office, late)[0] == [oldest]
    more = [taken_in(office, by(phone, NOW + timedelta(days=day)))[0] for day in range(1, 6)]
    assert history(office, more[-1])[0] == [*more[-2::-1], late]
    (last,) = taken_in(office, by(phone, NOW + timedelta(days=6)))
    assert history(office, last)[0] == more[::-1]


@pytest.mark.parametrize(
    ("streets", "usual"),
    [
        ((None, None), None),
        (("wanxing", None), "wanxing"),
        (("wanxing", "jialingdao"), "jialingdao"),
        (("wanxing", "jialingdao", None), "jialingdao"),
    ],
)
def test_the_usual_street_is_that_of_the_newest_ticket_with_a_place(
    office: Office, streets: Sequence[str | None], usual: str | None
) -> None:
    phone = f"1392{len(streets):03}{len(str(streets)):04}"
    for street in streets:
        found_at(office, office.submit(caller={"phone": phone}), street)
    assert history(office, office.submit(caller={"phone": phone}))[1] == usual


CENTRE = "grid-centre"
TELLING = ("earlier", "usual_street", "refers_to", "parent", "children")


def linked(office: Office, number: str, role: Role) -> Mapping[str, Any]:
    ticket = office.get(f"/tickets/{number}", role).json()
    return {name: ticket[name] for name in TELLING if ticket[name]}


def test_a_complaint_about_the_centre_is_part_of_no_other_tickets_history(office: Office) -> None:
    caller = {"phone": "13820000021"}
    lamp = office.submit(caller=caller)
    accusing = office.submit(caller=caller, accused_unit=CENTRE)
    found_at(office, accusing, "wanxing")
    later = office.submit(caller=caller)
    again = office.submit(caller=caller, accused_unit=CENTRE)
    together = taken_in(office, by("13820000021"), by("13820000021"))
    for role in (Role.DISPATCHER, Role.OPERATOR):
        assert linked(office, later, role) == {"earlier": [lamp]}
        assert linked(office, together[1], role)["earlier"] == [together[0], later, lamp]
    assert linked(office, again, Role.SUPERVISOR)["earlier"] == [later, accusing, lamp]


def test_who_asks_after_a_complaint_about_the_centre_complains_about_it_again(
    office: Office,
) -> None:
    accusing, lamp = office.submit(accused_unit=CENTRE), office.submit()
    asking = office.submit(text=f"我那个{accusing}怎么样了")
    plain = office.submit(text=f"我那个{lamp}怎么样了")
    other = office.submit(text=f"投诉房管局，我那个{accusing}怎么样了", accused_unit="housing")
    for number, accused in ((asking, CENTRE), (plain, None), (other, "housing")):
        assert office.get(f"/tickets/{number}", Role.SUPERVISOR).json()["accused_unit"] == accused
        assert published(office, number)[0].get("accused_unit") == accused
    assert office.get(f"/tickets/{asking}", Role.DISPATCHER).status_code == 404
    assert linked(office, plain, Role.DISPATCHER) == {"refers_to": [lamp]}
    assert linked(office, other, Role.DISPATCHER) == {}


def test_what_is_found_later_to_be_about_the_centre_leaves_what_a_dispatcher_reads(
    office: Office,
) -> None:
    caller = {"phone": "13820000022"}
    hidden, seen = office.submit(caller=caller), office.submit(caller=caller)
    found_at(office, hidden, "wanxing")
    number = office.submit(caller=caller, text=f"查{hidden}和{seen}")
    two = f"同一来电人近期另有2件工单：{seen}、{hidden}"
    said = case_event(number, 1, reasons=(two, "迎水里属王顶堤街道"), merged_into=hidden)
    office.tell(message(said.model_copy(update={"note": f"并入{hidden}"}), number))
    before = linked(office, number, Role.DISPATCHER)
    assert before["earlier"] == [seen, hidden]
    office.tell(message(case_event(hidden, 2, accused_unit=CENTRE), hidden))

    assert office.get(f"/tickets/{hidden}", Role.DISPATCHER).status_code == 404
    ticket = office.get(f"/tickets/{number}", Role.DISPATCHER).json()
    words = ticket.pop("text")
    assert hidden not in str(ticket)
    assert hidden in words
    assert linked(office, number, Role.DISPATCHER) == {"earlier": [seen], "refers_to": [seen]}
    assert ticket["case"]["reasons"] == ["迎水里属王顶堤街道"]
    assert ticket["case"]["merged_into"] is None
    for role in (Role.OPERATOR, Role.SUPERVISOR):
        assert linked(office, number, role) == before


def test_a_confidential_callers_tickets_are_linked_neither_from_nor_to(office: Office) -> None:
    phone = "13820000007"
    open_one, secret, later = taken_in(
        office, by(phone), by(phone, confidential=True), by(phone)
    )  # together
    assert history(office, secret) == ([], None)
    assert history(office, later) == ([open_one], None)
    (secret_again,) = taken_in(office, by(phone, confidential=True))  # and apart
    (last,) = taken_in(office, by(phone))
    assert history(office, secret_again) == ([], None)
    assert history(office, last)[0] == [later, open_one]
    kept = "SELECT fingerprint FROM caller_vault WHERE number = ANY(:numbers)"
    assert office.rows(kept, numbers=[secret, secret_again]) == [(None,), (None,)]


def test_a_request_that_is_repeated_is_no_earlier_ticket(office: Office) -> None:
    body = {"text": WORDS, "caller": {"phone": "13820000008"}}
    number = office.post("/tickets", body, key="once").json()["number"]
    assert office.post("/tickets", body, key="once").json()["number"] == number
    assert history(office, office.submit(**body))[0] == [number]


def test_the_history_stays_through_every_later_version(office: Office) -> None:
    caller = {"phone": "13820000009"}
    first = office.submit(caller=caller)
    found_at(office, first, "wanxing")
    second = office.submit(caller=caller)
    office.post(f"/tickets/{second}/amendments", {"text": "三单元"})
    later = office.submit(caller=caller)
    assert history(office, second) == ([first], "wanxing")
    assert history(office, later) == ([second, first], "wanxing")
    said = [(ticket["version"], ticket["earlier"]) for ticket in published(office, second)]
    assert said == [(1, [first]), (2, [first])]
    assert {ticket["usual_street"] for ticket in published(office, second)} == {"wanxing"}


def test_the_parts_of_a_split_call_have_its_history(office: Office) -> None:
    caller = {"phone": "13820000010"}
    first = office.submit(caller=caller)
    found_at(office, first, "wanxing")
    whole = office.submit(caller=caller)
    part = SplitTicket(number=f"{whole}-1", leaf="grid.street_lighting", text="路灯不亮")
    split = case_event(whole, 2, CaseState.SPLIT, children=(part.number,))
    office.tell(message(split.model_copy(update={"split": (part,)}), whole))
    assert history(office, part.number) == ([first], "wanxing")
    (received,) = published(office, part.number)
    assert (received["earlier"], received["usual_street"]) == ([first], "wanxing")
    assert history(office, office.submit(caller=caller))[0] == [whole, first]


def test_neither_phone_nor_fingerprint_leaves_the_database(office: Office) -> None:
    phone = "13820000011"
    numbers = [office.submit(caller={"phone": phone}) for _ in range(2)]
    (fingerprint,) = Vault(office.settings).fingerprints(phone)
    assert fingerprint is not None
    for number in numbers:
        for said in (*office.published(number), office.get(f"/tickets/{number}").text):
            assert phone not in said
            assert fingerprint.hex() not in said


def test_a_batch_asks_once_for_all_callers_and_not_at_all_for_nobody(office: Office) -> None:
    def asked(*phones: str | None) -> int:
        with exchanges() as sent:
            taken_in(office, *map(by, phones))
        return len(sent)

    nobody = asked(None, "110", None)
    assert asked("13820000012") == nobody + 1
    assert asked(*(f"1382000{n:04}" for n in range(100, 130)), None) == nobody + 1


def test_another_key_loses_the_links_and_nothing_else(office: Office) -> None:
    first, second = taken_in(office, by("13820000013"), by("13820000013"))
    (receipt,) = office.store(by("13820000013"), vault=vault())
    assert isinstance(receipt, Accepted)
    assert history(office, receipt.number) == ([], None)
    assert history(office, second) == ([first], None)
