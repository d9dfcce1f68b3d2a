"""Tickets that were split off another one (拆单): made once, with its caller, and its end."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from services.intake.projection import apply
from services.intake.tickets import (
    SOLVED,
    Standing,
    close_with_parts,
    parent_of,
    split_off,
)
from shared.database import Writer
from shared.envelope import Message
from shared.events import CaseState, SplitTicket, TicketClosed
from shared.roles import Role
from tests.intake.office import NOW, Office, case_event, message, ticket

WHOLE = "NK20261123-000001"
CALL = "俩事儿：保山南里消防通道让人装了地锁；再一个老人食堂关门了，我是张三13820001234"
CALLER = {"name": "张三", "phone": "138 2000 1234", "confidential": False}
DEMANDS = (("safety.fire_hazard", "消防通道装了地锁"), ("elderly.meal_service", "老人食堂关门了"))


def split_event(number: str) -> Message:
    """The router says that a case was split."""
    parts = tuple(
        SplitTicket(number=f"{number}-{place}", leaf=leaf, text=words)
        for place, (leaf, words) in enumerate(DEMANDS, start=1)
    )
    children = tuple(part.number for part in parts)
    event = case_event(number, 2, CaseState.SPLIT, children=children)
    return message(event.model_copy(update={"split": parts}), number)


def split_call(office: Office, **fields: Any) -> tuple[str, str, str]:
    """A call that was split into two, and its parts."""
    number = office.submit(text=CALL, address="保山南里5号楼", caller=CALLER, **fields)
    office.tell(message(case_event(number, 1), number), split_event(number))
    return number, f"{number}-1", f"{number}-2"


def shown(office: Office, number: str) -> Any:
    answer = office.get(f"/tickets/{number}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def call_back(office: Office, number: str, *, solved: bool = True) -> Any:
    """The part's case waits for its call-back, and the caller answers."""
    office.tell(message(case_event(number, 5, CaseState.CALLBACK_PENDING), number))
    satisfaction = "satisfied" if solved else "dissatisfied"
    return office.post(
        f"/tickets/{number}/callbacks", {"solved": solved, "satisfaction": satisfaction}
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (WHOLE, None),
        (f"{WHOLE}-1", WHOLE),
        ("NK20261123-000001234567-9", "NK20261123-000001234567"),
        (f"{WHOLE}-0", None),
        (f"{WHOLE}-12", None),
        (f"{WHOLE}-1-1", None),
        ("-1", None),
    ],
)
def test_the_number_of_a_part_names_the_whole(number: str, expected: str | None) -> None:
    assert parent_of(number) == expected


def test_a_part_is_the_call_in_other_words() -> None:
    whole = ticket(WHOLE, 3, address="保山南里", confidential=True, round=1, title="两件事")
    part = split_off(whole, SplitTicket(number=f"{WHOLE}-1", leaf="grid.other", text="一件事"))
    changed = {"number", "version", "title", "text", "round", "parent", "demand"}
    assert part.model_dump(exclude=changed) == whole.model_dump(exclude=changed)
    assert (part.parent, part.demand, part.text, part.version) == (WHOLE, "grid.other", "一件事", 1)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((SOLVED, SOLVED), SOLVED),
        ((SOLVED, "unreasonable"), "unreasonable"),
        (("unreasonable", "unreasonable"), "unreasonable"),
    ],
)
def test_a_split_ticket_is_solved_if_all_of_it_is(outcomes: Sequence[str], expected: str) -> None:
    change = close_with_parts(Standing(ticket(WHOLE), CaseState.SPLIT, 0), outcomes, NOW)
    (closing,) = change.payloads
    assert isinstance(closing, TicketClosed)
    assert (closing.outcome, closing.version) == (expected, 2)
    assert change.standing.status == CaseState.CLOSED


def test_every_demand_becomes_a_ticket_that_says_whose_part_it_is(office: Office) -> None:
    whole, *parts = split_call(office, kind="complaint", accused_unit="housing")
    assert shown(office, whole)["children"] == parts
    assert shown(office, whole)["status"] == "split"
    of_call = shown(office, whole)
    for number, (leaf, words) in zip(parts, DEMANDS, strict=True):
        part = shown(office, number)
        assert (part["text"], part["parent"], part["children"]) == (words, whole, [])
        for same in ("address", "kind", "channel", "accused_unit", "received_at", "confidential"):
            assert part[same] == of_call[same]
        (received,) = [json.loads(said)["ticket"] for said in set(office.published(number))]
        assert (received["parent"], received["demand"], received["text"]) == (whole, leaf, words)


def test_the_same_split_twice_makes_no_second_ticket(office: Office) -> None:
    whole, first, second = split_call(office)
    before = office.counts()["ticket"]
    office.tell(split_event(whole))
    assert office.counts()["ticket"] == before
    assert [len(set(office.published(number))) for number in (first, second)] == [1, 1]


def test_the_parts_are_there_with_the_event_that_makes_them_or_not_at_all(
    office: Office,
) -> None:
    number = office.submit()

    def fail(writer: Writer) -> None:
        apply(writer, [split_event(number)])
        raise RuntimeError("before the commit")

    with pytest.raises(RuntimeError), office.running.runtime.database.writing() as writer:
        fail(writer)
    assert office.get(f"/tickets/{number}-1").status_code == 404
    assert shown(office, number)["children"] == []


def test_the_caller_of_a_part_is_the_calls_and_is_kept_once(office: Office) -> None:
    whole, part, _ = split_call(office)
    assert office.rows("SELECT number FROM caller_vault WHERE number LIKE :n", n=f"{whole}%") == [
        (whole,)
    ]
    contact = office.get(f"/tickets/{part}/caller").json()
    assert (contact["name"], contact["phone"]) == ("张三", "138 2000 1234")
    reads = "SELECT number, granted FROM caller_read WHERE number LIKE :n ORDER BY number"
    assert office.rows(reads, n=f"{whole}%") == [(whole, True), (part, True)]


def test_only_the_lead_of_a_part_may_ask_for_its_caller(office: Office) -> None:
    whole, part, _ = split_call(office)
    office.tell(message(case_event(part, 1, lead_unit="fire"), part))
    path = f"/tickets/{part}/caller"
    assert office.get(path, Role.UNIT, "fire").status_code == 200
    assert office.get(path, Role.UNIT, "wanxing").status_code == 404
    assert office.get(f"/tickets/{whole}/caller", Role.UNIT, "fire").status_code == 404


def test_what_is_added_to_a_part_is_redacted_and_sealed_with_it(office: Office) -> None:
    _, part, other = split_call(office)
    office.post(f"/tickets/{part}/amendments", {"text": "张三说地锁还在，电话13820001234"})
    assert "张三" not in shown(office, part)["text"]
    assert not [said for said in office.published(part) if "13820001234" in said]
    assert "地锁还在，电话13820001234" in office.get(f"/tickets/{part}/caller").json()["text"]
    assert "地锁还在" not in office.get(f"/tickets/{other}/caller").json()["text"]


def test_the_last_part_that_closes_closes_the_call(office: Office) -> None:
    whole, first, second = split_call(office)
    assert call_back(office, first).json()["status"] == "closed"
    assert shown(office, whole)["status"] == "split"
    assert call_back(office, second, solved=False).json()["status"] == "reopened"
    assert shown(office, whole)["status"] == "split"
    office.tell(message(case_event(second, 6, round=1), second))
    office.tell(message(case_event(second, 7, CaseState.CALLBACK_PENDING), second))
    office.post(f"/tickets/{second}/callbacks", {"solved": True, "satisfaction": "basically"})
    assert shown(office, whole)["status"] == "closed"
    ends = [said for said in map(json.loads, set(office.published(whole))) if "outcome" in said]
    assert [end["outcome"] for end in ends] == [SOLVED]


def test_a_part_that_is_not_the_districts_does_not_keep_the_call_open(office: Office) -> None:
    whole, first, second = split_call(office)
    call_back(office, first)
    office.tell(message(case_event(second, 1, CaseState.REDIRECTED_OUT), second))
    assert shown(office, whole)["status"] == "split"
    answer = {"solved": True, "satisfaction": "satisfied", "comment": "已告知外区电话"}
    assert office.post(f"/tickets/{second}/callbacks", answer).json()["status"] == "closed"
    assert shown(office, whole)["status"] == "closed"


def test_parts_that_close_at_once_close_the_call_once(office: Office) -> None:
    whole, *parts = split_call(office)
    for part in parts:
        office.tell(message(case_event(part, 5, CaseState.CALLBACK_PENDING), part))
    answer = {"solved": True, "satisfaction": "satisfied"}
    calls = [
        threading.Thread(target=office.post, args=(f"/tickets/{part}/callbacks", answer))
        for part in parts
    ]
    for calling in calls:
        calling.start()
    for calling in calls:
        calling.join(timeout=10)
    assert shown(office, whole)["status"] == "closed"
    types = [line["type"] for line in shown(office, whole)["timeline"]]
    assert types.count("hotline.ticket.closed.v1") == 1


def test_what_the_router_said_before_the_end_does_not_take_the_call_back(office: Office) -> None:
    whole, first, second = split_call(office)
    call_back(office, first)
    call_back(office, second)
    office.tell(message(case_event(whole, 3, CaseState.SPLIT), whole))
    assert shown(office, whole)["status"] == "closed"


@pytest.mark.parametrize(
    ("path", "body", "slug"),
    [
        ("callbacks", {"solved": True, "satisfaction": "satisfied"}, "not-awaiting-callback"),
        ("amendments", {"text": "地锁还在"}, "ticket-split"),
    ],
)
def test_what_is_about_one_matter_is_said_of_its_part(
    office: Office, path: str, body: object, slug: str
) -> None:
    whole, _, _ = split_call(office)
    answer = office.post(f"/tickets/{whole}/{path}", body)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, slug)
