"""Danger in what is said later: heard once it is proven, whoever says it, and said on the bus."""

from datetime import UTC, datetime
from typing import TypeVar, cast
from uuid import uuid4

import pytest

from services.classifier.later_words import CASE_NOTES, WHISTLE_NOTES, words_of
from services.classifier.normalise import clean
from services.classifier.rules import danger_in, find_dangers, load_rules
from shared.envelope import Message
from shared.events import (
    TICKET_CALLED_BACK,
    TICKET_URGED,
    Case,
    CaseEvent,
    CaseFact,
    Payload,
    SaidIn,
    Satisfaction,
    TicketCalledBack,
    TicketUrged,
    Whistle,
    WhistleEvent,
    WhistleFact,
)

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
GAS = "刚才工人割破了燃气管，现在煤气泄漏味道很大"


def message(type_: str, payload: Payload) -> Message:
    return Message(uuid4(), type_, "NK20261123-000001", NOW, None, payload)


def urge(note: str) -> Message:
    return message(
        TICKET_URGED, TicketUrged(number="NK20261123-000001", version=2, urges=1, note=note, at=NOW)
    )


def call_back(comment: str) -> Message:
    payload = TicketCalledBack(
        number="NK20261123-000001",
        version=2,
        round=0,
        solved=False,
        satisfaction=Satisfaction.DISSATISFIED,
        comment=comment,
        at=NOW,
    )
    return message(TICKET_CALLED_BACK, payload)


P = TypeVar("P", bound=Payload)


def bare(kind: type[P], **fields: object) -> P:
    """A payload of which only these fields are looked at."""
    return cast(P, kind.model_construct(None, **fields))


def case_note(fact: CaseFact, note: str) -> Message:
    case = bare(Case, number="NK20261123-000001")
    event = bare(CaseEvent, case=case, actor="王五", unit="housing", note=note, at=NOW)
    return message(fact.event_type, event)


def whistle_note(fact: WhistleFact, note: str) -> Message:
    whistle = bare(Whistle, ticket_number="NK20261123-000001")
    event = bare(WhistleEvent, whistle=whistle, actor="王五", unit="police", note=note, at=NOW)
    return message(fact.event_type, event)


@pytest.mark.parametrize(
    ("said", "where", "unit"),
    [
        (urge(GAS), SaidIn.URGE, None),
        (call_back(GAS), SaidIn.CALLBACK, None),
        (case_note(CaseFact.CONTACTED, GAS), SaidIn.CASE_NOTE, "housing"),
        (case_note(CaseFact.VERIFICATION_FAILED, GAS), SaidIn.CASE_NOTE, "housing"),
        (whistle_note(WhistleFact.ARRIVED, GAS), SaidIn.WHISTLE_NOTE, "police"),
    ],
)
def test_words_are_listened_to_wherever_they_are_said(
    said: Message, where: SaidIn, unit: str | None
) -> None:
    words = words_of(said)
    assert words is not None
    assert (words.words, words.said_in, words.unit) == (GAS, where, unit)
    assert words.number == "NK20261123-000001"


@pytest.mark.parametrize(
    "said",
    [
        urge(""),
        call_back(""),
        case_note(CaseFact.RECLASSIFIED, "不是煤气泄漏，是下水道味"),
        case_note(CaseFact.UPHELD, GAS),
        case_note(CaseFact.REMINDED, GAS),
        whistle_note(WhistleFact.WITHDRAWN, "误报，没有着火"),
    ],
)
def test_reasons_of_corrections_and_what_clocks_say_are_no_words_of_danger(said: Message) -> None:
    assert words_of(said) is None


def test_the_facts_that_are_listened_to_are_those_of_people_on_the_spot() -> None:
    assert {type_.split(".")[2] for type_ in CASE_NOTES} == {
        *("accepted", "contacted", "replied", "return_requested", "extension_requested"),
        *("suspended", "verification_failed"),
    }
    assert {type_.split(".")[2] for type_ in WHISTLE_NOTES} == {
        *("acknowledged", "arrived", "handled", "not_confirmed"),
    }


@pytest.mark.parametrize(
    ("said", "kind", "clause"),
    [
        ("路灯坏了，另外楼道里一股煤气味，挺冲", "gas", "另外楼道里一股煤气味"),
        ("家裡的電瓶車在充電，現在著火了！快來", "burning", "現在著火了"),
        ("我媽被困在電梯裏了", "trapped_lift", "我媽被困在電梯裏了"),
        ("河边有人，他说不想活了，快来人", "self_harm", "他说不想活了"),
        ("我爸在屋里，刚才喘不上气", "medical", "刚才喘不上气"),
        ("楼下那井盖没了，晚上看不见", "open_hole", "楼下那井盖没了"),
        ("现在还没人管", None, None),
        ("去年着过火，已经修好了", None, None),
    ],
)
def test_a_danger_has_its_kind_and_the_clause_that_shows_it(
    said: str, kind: str | None, clause: str | None
) -> None:
    cleaned = clean(said)
    danger = danger_in(find_dangers(load_rules(), cleaned), said, cleaned)
    assert (danger and danger.kind, danger and danger.clause) == (kind, clause)
