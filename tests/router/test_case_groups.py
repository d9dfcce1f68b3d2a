"""What splitting, merging and what follows from them do to one case."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.cases.duties import duties
from services.router.domain.cases.groups import MOST_DEMANDS, grouped
from services.router.domain.cases.records import CaseRecord, Routing
from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import Command, Flag
from services.router.domain.refusals import InvalidField, LimitExceeded, Refused
from shared.events import (
    CaseFact,
    CaseState,
    Classification,
    ClockKind,
    Demand,
    Disposition,
    SplitTicket,
)
from shared.roles import Role
from shared.roles import Role as TokenRole
from tests.router.case_walks import (
    ACCUSED,
    AT_WORK,
    HOUR,
    MONDAY,
    ROUTING,
    TERMS,
    URGENT,
    clock_of,
    facts_of,
    give,
    opened,
    running,
    walked,
)
from tests.router.station import TRAPPED, Station, classified, closed, new_number, urged

LEAD = "NK20261123-000002"
FIRE, MEALS = "safety.fire_hazard", "elderly.meal_service"
DEMANDS = (Demand(leaf=FIRE, text="消防通道装了地锁"), Demand(leaf=MEALS, text="老人食堂关门了"))
UNDECIDED = replace(ROUTING, disposition=Disposition.MANUAL_DISPATCH)
PROPOSED = replace(ROUTING, demands=DEMANDS, flags=frozenset({Flag.SPLIT_PROPOSED}))


def merged(case: CaseRecord) -> CaseRecord:
    return give(case, Command.MERGE, merged_into=LEAD).record


def test_a_split_names_a_ticket_for_every_demand() -> None:
    case = opened(PROPOSED).record
    assert (case.demands, Flag.SPLIT_PROPOSED in case.flags) == (DEMANDS, True)
    decision = give(case, Command.SPLIT, demands=case.demands, note="两件事")
    (fact,) = decision.facts
    assert fact.fact is CaseFact.SPLIT
    assert fact.split == (
        SplitTicket(number=f"{case.number}-1", leaf=FIRE, text=DEMANDS[0].text),
        SplitTicket(number=f"{case.number}-2", leaf=MEALS, text=DEMANDS[1].text),
    )
    parted = decision.record
    assert parted.children == (f"{case.number}-1", f"{case.number}-2")
    assert (parted.state, parted.demands) == (CaseState.SPLIT, DEMANDS)
    assert Flag.SPLIT_PROPOSED not in parted.flags


@pytest.mark.parametrize("command", [Command.SPLIT, Command.MERGE])
@pytest.mark.parametrize("steps", [(), AT_WORK[:1], AT_WORK])
def test_nobody_works_a_grouped_case_and_its_caller_still_waits(
    command: Command, steps: tuple[Command, ...]
) -> None:
    case = walked(*steps)
    grouped_case = give(case, command, 2, demands=DEMANDS, merged_into=LEAD).record
    assert running(grouped_case) == {ClockKind.RESOLVE}
    before, after = clock_of(case, ClockKind.RESOLVE), clock_of(grouped_case, ClockKind.RESOLVE)
    assert after.due_at == before.due_at
    assert not duties(grouped_case)


@pytest.mark.parametrize(
    ("case", "demands", "error", "slug"),
    [
        (opened().record, DEMANDS[:1], InvalidField, "demands-count"),
        (opened().record, DEMANDS[:1] * (MOST_DEMANDS + 1), InvalidField, "demands-count"),
        (opened().record, (*DEMANDS, Demand(leaf="weather.rain", text="雨")), InvalidField,
         "unknown-leaf"),
        (replace(opened().record, parent="NK1"), DEMANDS, LimitExceeded, "split-child"),
    ],
)  # fmt: skip
def test_a_split_that_makes_no_sense_is_refused(
    case: CaseRecord, demands: tuple[Demand, ...], error: type[Refused], slug: str
) -> None:
    with pytest.raises(error) as refused:
        give(case, Command.SPLIT, demands=demands)
    assert refused.value.slug == slug


def test_a_split_case_leaves_its_event() -> None:
    case = grouped(opened().record, "E1", cluster=True).record
    assert (case.incident, Flag.CLUSTER in case.flags) == ("E1", True)
    parted = give(case, Command.SPLIT, demands=DEMANDS).record
    assert (parted.incident, Flag.CLUSTER in parted.flags) == (None, False)


@given(
    st.sampled_from([(), AT_WORK[:1], AT_WORK]),
    st.sampled_from([ROUTING, URGENT]),
    st.integers(1, 200),
)
def test_to_unmerge_gives_the_case_back_to_its_unit_with_time_of_its_own(
    steps: tuple[Command, ...], routing: Routing, hours: int
) -> None:
    case = grouped(walked(*steps, routing=routing), "E1").record
    terms = replace(TERMS, limits=routing.limits)
    back = give(merged(case), Command.UNMERGE, hours, terms=terms)
    assert facts_of(back) == [CaseFact.UNMERGED]
    alone = back.record
    assert (alone.state, alone.lead_unit) == (CaseState.DISPATCHED, case.lead_unit)
    assert alone.assist_units == case.assist_units
    assert (alone.incident, alone.merged_into, alone.handler) == (None, None, None)
    assert clock_of(alone, ClockKind.ACCEPT).started_at == MONDAY + hours * HOUR
    resolve = [clock for clock in alone.clocks if clock.kind is ClockKind.RESOLVE]
    assert [clock.due_at for clock in resolve] == [clock_of(case, ClockKind.RESOLVE).due_at]


@pytest.mark.parametrize(
    "case",
    [
        opened(UNDECIDED).record,
        replace(opened().record, lead_unit="closed-down"),
        replace(opened().record, accused_unit="housing"),
    ],
)
def test_a_case_without_a_unit_that_may_have_it_goes_to_a_person(case: CaseRecord) -> None:
    alone = give(merged(case), Command.UNMERGE).record
    assert (alone.state, alone.lead_unit) == (CaseState.MANUAL_DISPATCH, None)
    assert alone.desk is not None
    assert running(alone) == {ClockKind.RESOLVE, ClockKind.DECIDE}


def test_the_system_sets_a_case_free_but_it_stays_a_part_of_the_event() -> None:
    case = grouped(opened().record, "E1", cluster=True).record
    alone = give(merged(case), Command.UNMERGE, role=Role.SYSTEM).record
    assert (alone.incident, Flag.CLUSTER in alone.flags) == ("E1", True)


def test_the_caller_of_a_merged_case_is_called_back_about_the_unit_that_worked() -> None:
    case = merged(opened().record)
    decision = give(case, Command.FOLLOW, 3, lead_unit="fire", assist_units=("gulou", ACCUSED))
    assert facts_of(decision) == [CaseFact.VERIFIED]
    answered = decision.record
    assert (answered.state, answered.lead_unit) == (CaseState.CALLBACK_PENDING, "fire")
    assert (answered.assist_units, answered.merged_into) == (("gulou",), LEAD)
    assert running(answered) == {ClockKind.CALL_BACK}
    assert clock_of(answered, ClockKind.RESOLVE).stopped_at == MONDAY + 3 * HOUR
    again = give(answered, Command.CALLED_BACK_UNSOLVED, 5).record
    assert (again.state, again.round, again.lead_unit) == (CaseState.DISPATCHED, 1, "fire")
    assert again.merged_into is None


def test_the_accused_gets_no_case_by_leading_another() -> None:
    answered = give(merged(opened().record), Command.FOLLOW, lead_unit=ACCUSED).record
    assert answered.lead_unit is None
    again = give(answered, Command.CALLED_BACK_UNSOLVED).record
    assert (again.state, again.lead_unit) == (CaseState.MANUAL_DISPATCH, None)


def test_nobody_but_the_system_lets_a_case_follow() -> None:
    assert CASE_MACHINE.who[Command.FOLLOW] == {Role.SYSTEM}


SAID = "保山南里消防通道让人装了地锁，消防车进不来；再一个老人食堂关门了，我爸八十多了上哪吃饭去"


def split_call(station: Station) -> tuple[str, list[str]]:
    """A call that a dispatcher has split as it was proposed, and its children's numbers."""
    number = station.opened(FIRE, text=SAID, address=None, demands=DEMANDS)
    case = station.done(number, "split", note="两件事")
    return number, case["children"]


def child(number: str, parent: str, demand: Demand) -> Classification:
    return classified(
        number,
        demand.leaf,
        text=demand.text,
        address=None,
        parent=parent,
        demand=demand.leaf,
        decided_by="person",
    )


def test_a_proposed_split_is_what_the_dispatcher_confirms(empty_station: Station) -> None:
    number = empty_station.opened(FIRE, text=SAID, address=None, demands=DEMANDS)
    shown = empty_station.get(f"/cases/{number}").json()["case"]
    assert shown["demands"] == [demand.model_dump() for demand in DEMANDS]
    assert "split_proposed" in shown["flags"]
    case = empty_station.done(number, "split")
    assert (case["state"], case["children"]) == ("split", [f"{number}-1", f"{number}-2"])
    assert not any(is_open for _, is_open in empty_station.queues(number).values())
    said = "SELECT convert_from(payload, 'UTF8')::jsonb -> 'split' FROM outbox WHERE type = :t"
    parts = empty_station.value(said, t="hotline.case.split.v1")
    assert [part["leaf"] for part in parts] == [FIRE, MEALS]


def test_a_dispatchers_own_words_are_redacted(empty_station: Station) -> None:
    number = empty_station.opened(FIRE)
    demands = [
        {"leaf": FIRE, "text": "通道被堵，电话13820001234"},
        {"leaf": MEALS, "text": "食堂关门"},
    ]
    case = empty_station.done(number, "split", demands=demands)
    assert case["demands"][0]["text"] == "通道被堵，电话【电话】"


def test_children_open_where_the_call_was_and_each_goes_its_own_way(
    empty_station: Station,
) -> None:
    parent, children = split_call(empty_station)
    for number, demand in zip(children, DEMANDS, strict=True):
        empty_station.hear(child(number, parent, demand))
    cases = [empty_station.get(f"/cases/{number}").json()["case"] for number in children]
    assert [case["parent"] for case in cases] == [parent, parent]
    assert [case["leaf"] for case in cases] == [FIRE, MEALS]
    assert {case["place"]["street"] for case in cases} == {"wangdingdi"}
    assert {case["state"] for case in cases} == {"dispatched"}
    again = empty_station.give(children[0], "split", demands=[d.model_dump() for d in DEMANDS])
    assert again.json()["type"].endswith("split-child")
    empty_station.hear(closed(parent))
    assert empty_station.state(parent) == "closed"
    assert [empty_station.state(number) for number in children] == ["dispatched"] * 2


def test_who_urges_the_call_urges_everything_that_became_of_it(empty_station: Station) -> None:
    parent, children = split_call(empty_station)
    for number, demand in zip(children, DEMANDS, strict=True):
        empty_station.hear(child(number, parent, demand))
    empty_station.hear(urged(parent, "两件事都没动静"))
    for number in (parent, *children):
        assert empty_station.facts(number)[-1] == "urged"
    empty_station.hear(urged(children[0]))
    assert empty_station.facts(children[1]).count("urged") == 1


@pytest.mark.parametrize("role", [Role.UNIT, Role.OPERATOR, Role.SUPERVISOR])
def test_only_the_grid_centre_splits(empty_station: Station, role: Role) -> None:
    number = empty_station.opened(FIRE, text=SAID, address=None, demands=DEMANDS)
    unit = "fire" if role is Role.UNIT else None
    answer = empty_station.give(number, "split", role=TokenRole(role), unit=unit)
    assert answer.status_code == 403
    assert empty_station.state(number) == "dispatched"


def test_a_call_with_one_demand_has_nothing_to_split(empty_station: Station) -> None:
    number = empty_station.opened(TRAPPED)
    assert empty_station.give(number, "split").json()["type"].endswith("missing-field")
    one = [{"leaf": FIRE, "text": "通道被堵"}]
    assert empty_station.give(number, "split", demands=one).status_code == 422
    assert empty_station.give(new_number(), "split").status_code == 404
