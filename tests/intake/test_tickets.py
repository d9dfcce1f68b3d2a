"""The rules of intake: numbers, amendments, urges and call-backs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.tickets import (
    MAX_TEXT,
    NUMBER,
    RECEIVED,
    REOPENED,
    SENTENCES,
    STATUSES,
    TO_BE_CALLED,
    Change,
    Refusal,
    Refused,
    Standing,
    amend,
    call_back,
    ticket_number,
    told,
    urge,
)
from shared.events import (
    CaseState,
    Satisfaction,
    TicketAmended,
    TicketCalledBack,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from tests.intake.office import NOW, ticket

REACHED = (Satisfaction.SATISFIED, Satisfaction.BASICALLY, Satisfaction.DISSATISFIED)


def standing(status: str = RECEIVED, **fields: object) -> Standing:
    return Standing(ticket("NK20261123-000001", version=3, **fields), status, urges=2)


@pytest.mark.parametrize(
    ("received_at", "serial", "number"),
    [
        (datetime(2026, 11, 23, 15, 59, 59, tzinfo=UTC), 1, "NK20261123-000001"),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), 1, "NK20261124-000001"),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), 999_999, "NK20270101-999999"),
        (datetime(2026, 11, 23, tzinfo=UTC), 1_000_000, "NK20261123-1000000"),
    ],
)
def test_a_number_is_the_day_in_shanghai_and_its_serial(
    received_at: datetime, serial: int, number: str
) -> None:
    assert ticket_number("NK", received_at, serial) == number


@given(st.datetimes(datetime(2020, 1, 1), datetime(2199, 1, 1)), st.integers(1, 10**11))  # noqa: DTZ001
def test_every_number_is_known_as_one(moment: datetime, serial: int) -> None:
    assert re.fullmatch(NUMBER, ticket_number("NK", moment.replace(tzinfo=UTC), serial))


def test_an_amendment_adds_words_and_may_correct_the_address() -> None:
    change = amend(standing(address="旧址"), "水还在漏", None)
    assert change.standing.ticket.text.endswith("\n补充：水还在漏")
    assert change.standing.ticket.address == "旧址"
    assert amend(standing(address="旧址"), None, "新址").standing.ticket.address == "新址"


def test_an_amendment_says_what_was_added_and_how_the_ticket_now_reads() -> None:
    change = amend(standing(), "水还在漏", "迎水里")
    ticket_now = change.standing.ticket
    added = TicketAmended(ticket=ticket_now, added_text="水还在漏", added_address="迎水里")
    assert change.payloads == (added,)


def test_a_ticket_does_not_grow_without_limit() -> None:
    full = standing(text="字" * (MAX_TEXT - 10))
    with pytest.raises(Refused) as refused:
        amend(full, "还有很多很多话要说", None)
    assert refused.value.refusal is Refusal.TOO_LONG
    assert amend(full, None, "迎水里").standing.ticket.version == 4


def test_urges_are_counted() -> None:
    change = urge(standing(), "急", NOW)
    said = TicketUrged(number="NK20261123-000001", version=4, urges=3, note="急", at=NOW)
    assert change == Change(Standing(change.standing.ticket, RECEIVED, 3), (said,))


def test_a_solved_ticket_is_closed() -> None:
    change = call_back(standing(CaseState.CALLBACK_PENDING), True, REACHED[0], "谢谢", NOW)
    assert change.standing.status == CaseState.CLOSED
    assert [type(payload) for payload in change.payloads] == [TicketCalledBack, TicketClosed]


def test_an_unsolved_ticket_is_handled_again() -> None:
    change = call_back(standing(CaseState.CALLBACK_PENDING), False, REACHED[2], "没修", NOW)
    assert (change.standing.status, change.standing.ticket.round) == (REOPENED, 1)
    called, reopened = change.payloads
    assert isinstance(called, TicketCalledBack)
    assert isinstance(reopened, TicketReopened)
    assert (called.round, reopened.round, reopened.reason) == (0, 1, "没修")


def test_an_unreached_caller_changes_nothing_but_the_record() -> None:
    change = call_back(standing(CaseState.CALLBACK_PENDING), False, Satisfaction.UNREACHED, "", NOW)
    assert change.standing.status == CaseState.CALLBACK_PENDING
    assert change.standing.ticket.round == 0
    assert [type(payload) for payload in change.payloads] == [TicketCalledBack]


@pytest.mark.parametrize("status", [s for s in STATUSES if s not in TO_BE_CALLED])
def test_only_a_verified_or_redirected_ticket_is_called_back(status: str) -> None:
    with pytest.raises(Refused) as refused:
        call_back(standing(status), True, REACHED[0], "", NOW)
    closed = status == CaseState.CLOSED
    assert refused.value.refusal is (Refusal.CLOSED if closed else Refusal.NOT_AWAITING_CALLBACK)


def test_a_closed_ticket_takes_neither_words_nor_urges() -> None:
    closed = standing(CaseState.CLOSED)
    acts: list[Callable[[], Change]] = [
        lambda: amend(closed, "x", None),
        lambda: urge(closed, "", NOW),
    ]
    for act in acts:
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.refusal is Refusal.CLOSED


def test_every_refusal_has_a_sentence_for_its_reader() -> None:
    assert set(SENTENCES) == set(Refusal)


@given(st.sampled_from(STATUSES), st.text(max_size=20), st.sampled_from(list(Satisfaction)))
def test_every_change_is_the_next_version_and_all_its_payloads_say_so(
    status: str, words: str, satisfaction: Satisfaction
) -> None:
    before = standing(status)
    solved = [True, False] if satisfaction is not Satisfaction.UNREACHED else [False]
    acts: list[Callable[[], Change]] = [
        lambda: amend(before, words, None),
        lambda: urge(before, words, NOW),
        *(partial(call_back, before, s, satisfaction, words, NOW) for s in solved),
    ]
    for act in acts:
        try:
            change = act()
        except Refused:
            continue
        assert change.standing.ticket.version == before.ticket.version + 1
        assert change.standing.ticket.number == before.ticket.number
        assert change.standing.status in STATUSES
        for payload in change.payloads:
            said = payload.ticket if isinstance(payload, TicketAmended) else payload
            assert getattr(said, "version") == before.ticket.version + 1  # noqa: B009


def test_the_timeline_says_what_each_change_was() -> None:
    pending = standing(CaseState.CALLBACK_PENDING)
    changes = [
        amend(standing(), "水还在漏", "迎水里"),
        urge(standing(), "急", NOW),
        call_back(pending, True, Satisfaction.SATISFIED, "好", NOW),
        call_back(pending, False, Satisfaction.DISSATISFIED, "没修", NOW),
    ]
    assert [told(payload) for change in changes for payload in change.payloads] == [
        ("水还在漏", {"address": "迎水里"}),
        ("急", {"urges": "3"}),
        ("好", {"solved": "true", "satisfaction": "satisfied"}),
        ("", {"outcome": "solved"}),
        ("没修", {"solved": "false", "satisfaction": "dissatisfied"}),
        ("", {"round": "1"}),
    ]


@pytest.mark.parametrize(("solved", "satisfaction"), list(product([True, False], REACHED)))
def test_the_callers_word_and_not_their_mood_decides(
    solved: bool, satisfaction: Satisfaction
) -> None:
    change = call_back(standing(CaseState.CALLBACK_PENDING), solved, satisfaction, "", NOW)
    assert change.standing.status == (CaseState.CLOSED if solved else REOPENED)
