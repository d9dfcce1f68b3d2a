"""Which calls are one event, and what becomes of them: proposed, merged, each called back."""

import json
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.router.domain.cases.records import CaseRecord
from services.router.domain.cases.states import Command
from services.router.domain.incidents.grouping import (
    ALIKE,
    ALIKE_IN_A_STORM,
    LOOK_BACK,
    MAY_LEAD,
    NEAR,
    STORM,
    Call,
    alike,
    check_lead,
    check_merge,
    default_lead,
    events_in,
    is_cluster,
    next_of_merged,
)
from services.router.domain.incidents.wording import Wording, overlap, wording
from services.router.domain.refusals import Refused
from services.router.grouping import MergeOrder, merge_incident
from services.router.handling import classified_handler
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.work import working
from shared.events import CaseState, Category, Priority
from shared.roles import Role
from tests.router.station import (
    ELSEWHERE,
    LAMP,
    STALLS,
    Json,
    Station,
    classified,
    closed,
    messages,
    new_number,
    reopened,
    urged,
)
from tests.router.test_duties import CASE
from tests.router.test_handling import statements_of

CORPUS = Path(__file__).parents[2] / "services" / "classifier" / "corpus"
FLOOD = "grid.drainage_flooding"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
GAZETTEER = load_policy(POLICY_DIRECTORY).gazetteer
YINGSHUI, OTHER = "120104009015", "120104009016"
RAIN = (
    "下大雨小区门口积水到膝盖了，车都过不去",
    "迎水里门口积水很深，下水道堵了，没人来抽水",
    "小区门口积水太深了出不去，快来抽水",
    "雨太大，小区门口的路淹了，积水没过脚脖子",
    "小区门口积水，孩子放学进不了门，下水道往外冒水",
)
STORM_OF_CALLS = 27
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def call(
    number: str = "A", at: timedelta = timedelta(0), text: str = RAIN[0], **fields: Any
) -> Call:
    said = wording(GAZETTEER, text, fields.pop("address", None))
    known: dict[str, Any] = {"leaf": FLOOD, "street": "wangdingdi", "community": YINGSHUI}
    known |= {"received_at": NOON + at, "said": said} | fields
    return Call(number=number, **known)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param({}, {}, True, id="the same words at the same time and place"),
        pytest.param({}, {"leaf": LAMP}, False, id="another leaf"),
        pytest.param({}, {"street": "wanxing"}, False, id="another street"),
        pytest.param({}, {"community": OTHER}, False, id="another community"),
        pytest.param({}, {"community": None}, True, id="a community that one did not say"),
        pytest.param({}, {"at": NEAR}, True, id="three days"),
        pytest.param({}, {"at": NEAR + MINUTE}, False, id="more than three days"),
        pytest.param({}, {"text": "路灯坏了好几天"}, False, id="other words"),
        pytest.param({}, {"accused": "housing"}, False, id="a complaint about a unit"),
        pytest.param({"parent": "P"}, {"parent": "P"}, False, id="two demands of one call"),
        pytest.param({"parent": "P"}, {"parent": "Q"}, True, id="demands of two calls"),
        pytest.param({"text": RAIN[3]}, {"text": RAIN[1]}, True, id="a storm needs fewer words"),
        pytest.param(
            {"text": RAIN[3]}, {"text": RAIN[1], "at": STORM + MINUTE}, False, id="after the storm"
        ),
        pytest.param(
            {"text": RAIN[3]}, {"text": RAIN[1], "community": None}, False, id="somewhere near"
        ),
        pytest.param(
            {"text": "3号楼电梯坏了"},
            {"text": "八号楼电梯坏了", "at": HOUR},
            False,
            id="the lift of another building",
        ),
        pytest.param(
            {"text": "电梯坏了", "address": "迎水里3号楼"},
            {"text": "3栋电梯坏了", "at": HOUR},
            True,
            id="the same building",
        ),
        pytest.param(
            {"text": "3号楼着火了冒黑烟"},
            {"text": "9号楼厨房起火", "at": MINUTE},
            False,
            id="two fires in a storm",
        ),
        pytest.param(
            {"text": "世纪花园电梯坏了", "community": None},
            {"text": "电梯坏了", "address": "禧顺花园", "community": None},
            False,
            id="two compounds of which no community is known",
        ),
    ],
)
def test_calls_are_alike_by_what_where_when_and_words(
    one: Json, other: Json, expected: bool
) -> None:
    first, second = call("A", **one), call("B", **other)
    assert alike(first, second) is alike(second, first) is expected


def test_the_words_of_unrelated_tickets_of_one_leaf_are_seldom_alike() -> None:
    by_leaf: dict[str, list[Wording]] = {}
    for file in sorted(CORPUS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            ticket = json.loads(line)
            by_leaf.setdefault(ticket["leaf"], []).append(wording(GAZETTEER, ticket["text"], None))
    dice = random.Random(8890)
    pairs = [dice.sample(said, 2) for said in by_leaf.values() for _ in range(200)]
    assert len(pairs) >= 10_000
    often = sum(overlap(one.matter, other.matter) >= ALIKE for one, other in pairs)
    stormy = sum(overlap(one.words, other.words) >= ALIKE_IN_A_STORM for one, other in pairs)
    assert often / len(pairs) < 1 / 200
    assert stormy / len(pairs) < 1 / 7


LIFTS = (
    "雅安东里12号楼3门电梯坏了三天了没人修",
    "雅安东里5号楼电梯按键失灵，老是停不到6楼",
    "雅安东里8号楼电梯里晃得厉害，吓人",
    "雅安东里小区2号楼加装的电梯交了钱还没通",
    "雅安东里1号楼电梯夜里关停，病人下不来楼",
    "雅安东里物业收电梯维修费不给发票",
    "雅安东里13号楼电梯停运，老人上不了楼",
    "雅安东里6号楼电梯广告太多声音太大",
    "雅安东里10号楼电梯门关不上夹人",
)


def test_what_a_big_compound_reports_in_three_days_is_not_one_event() -> None:
    lifts = [call(f"N{n}", n * 5 * HOUR, text) for n, text in enumerate(LIFTS)]
    assert events_in(lifts) == ()


FLOOD_IN_THEIR_WORDS = [
    "这边积水了，快派人抽水吧",
    "小区整个淹了，水都漫到台阶上来了",
    "我车泡了！停车场全是水，物业不管",
    "雨太大了，我们地下室进水，电动车都泡着呢",
    "下水道返水，一楼住户家里全是水",
    "门口马路上水没过膝盖，老人出不来",
    "井盖都被水顶起来了，西门，太危险",
    "麻烦来人排水，楼前面成河了",
    "孩子放学回不了家，门口积水太深",
    "这雨下得，排水管堵死了，一点不往下走",
    "家里进水了，一楼",
    "喂8890吗，这水什么时候能退啊",
    "小区内涝，请市政抽水车过来",
    "雨水篦子堵了，路面汪着水",
    "我是居民，楼道里全是水，电表箱快淹了",
    "小区里头水半米深了没人管",
    "出不去门啊，水到大腿",
    "东门积水，公交车都绕行",
    "老旧小区每次下雨都这样，又淹了",
    "污水从马桶里往外冒",
    "求助，轮椅老人困在一楼，外面都是水",
    "排水口让落叶堵上了，后面一大片水",
    "下这么大雨你们市政的泵站开没开，都成海了",
    "水已经进屋了，冰箱都漂起来了",
    "雨水排不出去，汽车熄火了好几辆",
    "您好反映一下道路积水严重影响出行",
]


def test_a_flood_is_one_event_in_whatever_words_and_from_whatever_building() -> None:
    calls = [call(f"N{n:02d}", n * MINUTE, text) for n, text in enumerate(FLOOD_IN_THEIR_WORDS)]
    (event,) = events_in(calls)
    assert len(event) == len(calls)
    doors = [call(f"N{n:02d}", n * MINUTE, f"{n + 1}号楼门口积水") for n in range(STORM_OF_CALLS)]
    (event,) = events_in(doors)
    assert len(event) == STORM_OF_CALLS


def test_who_does_not_say_where_joins_no_two_places() -> None:
    here, there = call("A"), call("C", 2 * MINUTE, community=OTHER)
    somewhere = call("B", MINUTE, community=None)
    assert [[one.number for one in event] for event in events_in([here, somewhere, there])] == [
        ["A", "B"]
    ]


def test_what_the_rest_of_the_street_reports_hides_no_event() -> None:
    elsewhere = [
        call(f"X{n:02d}", n * MINUTE, community=f"12010400900{n % 9}")
        for n in range(1, 3 * LOOK_BACK)
    ]
    (event,) = [
        event
        for event in events_in([call("A"), *elsewhere, call("Z", 2 * HOUR)])
        if event[0].community == YINGSHUI
    ]
    assert [one.number for one in event] == ["A", "Z"]


STORMS = st.lists(
    st.tuples(st.integers(0, 29), st.sampled_from(RAIN)), min_size=2, max_size=40
).map(
    lambda drawn: [
        call(f"N{n:03d}", minutes * MINUTE, f"迎水里小区门口积水{text}")
        for n, (minutes, text) in enumerate(drawn)
    ]
)


@given(STORMS, st.randoms(use_true_random=False), st.integers(1, 40))
def test_a_storm_is_one_event_in_whatever_order_and_batches_it_comes(
    storm: list[Call], dice: random.Random, size: int
) -> None:
    dice.shuffle(storm)
    stored: list[Call] = []
    for start in range(0, len(storm), size):
        batch = storm[start : start + size]
        known = sorted(stored, key=lambda one: one.received_at)[-LOOK_BACK:]
        for event in events_in([*known, *batch]):
            names = {one.number for one in event}
            incident = min((one.incident for one in event if one.incident), default="E1")
            stored = [one for one in stored if one.number not in names]
            stored += [replace(one, incident=one.incident or incident) for one in event]
        stored += [one for one in batch if one.number not in {known.number for known in stored}]
    (event,) = events_in(stored)
    assert {one.number for one in event} == {one.number for one in storm}
    assert {one.incident for one in stored} == {"E1"}


@given(STORMS, st.lists(st.sampled_from([LAMP, STALLS]), max_size=5))
def test_no_call_is_lost_or_stands_in_two_events(storm: list[Call], leaves: list[str]) -> None:
    others = [call(f"X{n}", leaf=leaf, text=f"第{n}件") for n, leaf in enumerate(leaves)]
    events = events_in([*storm, *others])
    numbers = [one.number for event in events for one in event]
    assert len(numbers) == len(set(numbers))
    assert {one.number for one in storm} <= set(numbers)
    assert all(len({one.key for one in event}) == 1 for event in events)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 1), False),
        ((0, 1, 3), True),
        ((0, 2, 4), False),
        ((0, 2, 4, 5), True),
        ((0, 0, 0), True),
    ],
)
def test_three_tickets_in_three_days_are_a_cluster(days: tuple[int, ...], expected: bool) -> None:
    assert is_cluster([call(str(n), at=day * DAY) for n, day in enumerate(days)]) is expected


def case(number: str = "B", **fields: Any) -> CaseRecord:
    return replace(CASE, **({"number": number, "incident": "E1"} | fields))


LEAD = case("A")


@pytest.mark.parametrize(
    ("member", "lead", "chosen", "leads", "slug"),
    [
        (case(), LEAD, False, False, None),
        (case(incident=None), LEAD, False, False, None),
        (LEAD, LEAD, True, False, "merge-into-itself"),
        (case(), LEAD, True, True, "leads-others"),
        (replace(case(), incident="E2"), LEAD, True, False, "other-incident"),
        (case(category=Category.SAFETY), LEAD, False, False, "other-category"),
        (case(category=Category.SAFETY), LEAD, True, False, None),
        (case(priority=Priority.P1), LEAD, True, False, "more-urgent"),
        (case(priority=Priority.P1), case("A", priority=Priority.P0), False, False, None),
        (case(priority=Priority.P2), LEAD, False, False, None),
        (case(accused_unit="urban-management"), LEAD, True, False, "lead-accused"),
    ],
)
def test_what_must_not_wait_for_another_case_is_not_merged(
    member: CaseRecord, lead: CaseRecord, chosen: bool, leads: bool, slug: str | None
) -> None:
    if slug is None:
        check_merge(member, lead, "E1", chosen=chosen, leads=leads)
        return
    with pytest.raises(Refused) as refused:
        check_merge(member, lead, "E1", chosen=chosen, leads=leads)
    assert refused.value.slug == slug


@pytest.mark.parametrize("state", CaseState)
def test_only_a_case_that_is_worked_can_lead(state: CaseState) -> None:
    lead = replace(LEAD, state=state)
    assert (default_lead([lead]) is lead) is (state in MAY_LEAD)
    if state in MAY_LEAD:
        check_lead(lead, "E1")
    else:
        with pytest.raises(Refused, match="主单当前为"):
            check_lead(lead, "E1")


def test_the_most_urgent_case_leads_and_then_the_oldest() -> None:
    cases = [case("B"), case("A"), case("D", priority=Priority.P1), case("C", priority=Priority.P1)]
    lead = default_lead(cases)
    assert lead is not None
    assert lead.number == "C"


WAITING = case(state=CaseState.MERGED, merged_into="A")


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        (None, None),
        (LEAD, None),
        (case("A", state=CaseState.REPLIED), None),
        (case("A", state=CaseState.CALLBACK_PENDING), Command.FOLLOW),
        (case("A", state=CaseState.CLOSED), Command.UNMERGE),
        (case("A", state=CaseState.REDIRECTED_OUT), Command.UNMERGE),
        (case("A", state=CaseState.MERGED), Command.UNMERGE),
    ],
)
def test_a_merged_case_follows_its_lead(lead: CaseRecord | None, expected: Command | None) -> None:
    assert next_of_merged(WAITING, WAITING, lead) is expected


def test_danger_does_not_wait_behind_another_case() -> None:
    danger = replace(WAITING, priority=Priority.P1)
    assert next_of_merged(danger, WAITING, LEAD) is Command.UNMERGE
    assert next_of_merged(danger, danger, LEAD) is None


def flooded(number: str | None = None, n: int = 0, **fields: Any) -> Any:
    """A call about the flood in front of one compound."""
    said = {"text": f"迎水里小区门口积水，{RAIN[n % len(RAIN)]}"} | fields
    return classified(number or new_number(), FLOOD, **said)


def flood(station: Station, calls: int) -> list[str]:
    """The cases of a flood that so many have called about, one after the other."""
    said = [flooded(n=n) for n in range(calls)]
    for one in said:
        station.hear(one)
    return [one.ticket.number for one in said]


def incident_of(station: Station, number: str) -> str:
    found: str = station.get(f"/cases/{number}").json()["case"]["incident"]
    return found


def event(station: Station, number: str) -> Json:
    answer = station.get(f"/incidents/{number}")
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def merged(station: Station, calls: int = 3) -> tuple[str, str, list[str]]:
    """An event that a dispatcher has merged: its number, its lead, and those who wait."""
    lead, *others = flood(station, calls)
    incident = incident_of(station, lead)
    answer = station.post(f"/incidents/{incident}/merge", {"note": "同一处积水"})
    assert answer.status_code == 200, answer.text
    return incident, lead, others


def slug(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:hotline:problem:")


@pytest.mark.parametrize("batch", [1, 4, STORM_OF_CALLS])
def test_twenty_seven_calls_in_half_an_hour_are_one_event_of_twenty_seven_tickets(
    empty_station: Station, batch: int
) -> None:
    said = [
        flooded(n=n, received_at=datetime.now(UTC) - STORM + n * MINUTE)
        for n in range(STORM_OF_CALLS)
    ]
    for start in range(0, STORM_OF_CALLS, batch):
        empty_station.hear(*said[start : start + batch])
    (found,) = empty_station.get("/incidents").json()["items"]
    assert (found["count"], found["cluster"], found["state"]) == (STORM_OF_CALLS, True, "open")
    assert found["lead"] == said[0].ticket.number
    whole = event(empty_station, found["number"])
    assert [member["case"]["number"] for member in whole["members"]] == sorted(
        one.ticket.number for one in said
    )
    assert {member["case"]["incident"] for member in whole["members"]} == {found["number"]}
    assert all("cluster" in member["case"]["flags"] for member in whole["members"])
    assert {member["ticket"]["text"] for member in whole["members"]} == {
        one.ticket.text for one in said
    }
    assert empty_station.value("SELECT count(*) FROM queue_entry WHERE open") == STORM_OF_CALLS


def test_a_storm_of_any_size_is_one_transaction_of_as_many_statements(
    empty_station: Station,
) -> None:
    flood(empty_station, 1)
    counts = []
    for size in (20, 200):
        with statements_of(empty_station.database) as sent:
            empty_station.hear(*(flooded(n=n) for n in range(size)))
        counts.append(len(sent))
    assert counts[0] >= counts[1]
    (found,) = empty_station.get("/incidents").json()["items"]
    assert found["count"] == 221


def test_two_calls_are_an_event_and_the_third_makes_it_a_cluster(empty_station: Station) -> None:
    first, second = flood(empty_station, 2)
    assert incident_of(empty_station, first) == incident_of(empty_station, second)
    assert empty_station.facts(first)[-1] == "grouped"
    assert "grouped" not in empty_station.facts(second)

    def clusters() -> float:
        (row,) = empty_station.rows("SELECT street, leaf FROM incident")
        labels = dict(zip(("street", "leaf"), row, strict=True))
        return REGISTRY.get_sample_value("hotline_incident_clusters_total", labels) or 0

    before = clusters()
    third, fourth = flood(empty_station, 2)
    assert clusters() == before + 1
    for number in (first, second, third, fourth):
        assert "cluster" in empty_station.get(f"/cases/{number}").json()["case"]["flags"]


@pytest.mark.parametrize(
    "other",
    [
        {"address": ELSEWHERE, "text": RAIN[0]},
        {"address": None, "text": "门口积水到膝盖了"},
        {"text": "马路中间井盖翘起来了"},
    ],
)
def test_a_call_about_something_else_stays_alone(empty_station: Station, other: Json) -> None:
    flood(empty_station, 1)
    alone = flooded(**other)
    empty_station.hear(alone)
    assert empty_station.get("/incidents").json()["items"] == []


def test_a_call_whose_place_is_asked_for_joins_when_it_is_known(empty_station: Station) -> None:
    (first,) = flood(empty_station, 1)
    asked = new_number()
    empty_station.hear(flooded(asked, address=None, text=RAIN[0]))
    assert incident_of(empty_station, asked) is None
    empty_station.hear(flooded(asked, version=2))
    assert incident_of(empty_station, asked) == incident_of(empty_station, first)


def test_a_call_that_comes_again_is_counted_once(empty_station: Station) -> None:
    first, second = (flooded(n=n) for n in range(2))
    empty_station.hear(first, second)
    empty_station.hear(
        first.model_copy(update={"ticket": first.ticket.model_copy(update={"version": 2})})
    )
    (found,) = empty_station.get("/incidents").json()["items"]
    assert found["count"] == 2


def test_a_merged_case_leaves_its_units_queue_and_keeps_the_citizens_clock(
    empty_station: Station,
) -> None:
    incident, lead, others = merged(empty_station)
    assert event(empty_station, incident)["state"] == "confirmed"
    assert empty_station.queues(lead)["urban-management"] == ("lead", True)
    for number in others:
        shown = empty_station.get(f"/cases/{number}").json()["case"]
        assert (shown["state"], shown["merged_into"]) == ("merged", lead)
        assert not any(is_open for _, is_open in empty_station.queues(number).values())
        running = [clock["kind"] for clock in shown["clocks"] if clock["stopped_at"] is None]
        assert running == ["resolve"]


def answer(station: Station, lead: str) -> None:
    """The lead's unit does the work, and another person verifies it."""
    unit = station.get(f"/cases/{lead}").json()["case"]["lead_unit"]
    for command in ("accept", "contact", "reply"):
        station.done(lead, command, unit=unit, note="已抽水")
    station.done(lead, "verify", unit=unit, name="李四")


def test_with_the_lead_every_caller_is_called_back_and_each_has_their_own_word(
    empty_station: Station,
) -> None:
    _, lead, (content, discontent) = merged(empty_station)
    answer(empty_station, lead)
    for number in (lead, content, discontent):
        assert empty_station.state(number) == "callback_pending"
        assert empty_station.facts(number)[-1] == "verified"
    empty_station.hear(closed(lead), closed(content), reopened(discontent))
    assert (empty_station.state(lead), empty_station.state(content)) == ("closed", "closed")
    again = empty_station.get(f"/cases/{discontent}").json()["case"]
    assert (again["state"], again["round"], again["merged_into"]) == ("dispatched", 1, None)
    assert empty_station.queues(discontent)[again["lead_unit"]] == ("lead", True)


def test_who_urges_a_merged_call_urges_the_case_that_is_worked(empty_station: Station) -> None:
    _, lead, (waiting, other) = merged(empty_station)
    empty_station.hear(urged(waiting, "水还没退"))
    assert empty_station.facts(lead)[-1] == "urged"
    assert empty_station.facts(waiting)[-1] == "urged"
    assert "urged" not in empty_station.facts(other)
    assert "urged" in empty_station.get(f"/cases/{lead}").json()["case"]["flags"]


def test_of_the_members_named_the_oldest_leads(empty_station: Station) -> None:
    first, second, third = flood(empty_station, 3)
    incident = incident_of(empty_station, first)
    body = {"members": [third, second]}
    whole = empty_station.post(f"/incidents/{incident}/merge", body).json()
    assert whole["lead"] == second
    assert [empty_station.state(number) for number in (first, second, third)] == [
        *("dispatched", "dispatched", "merged")
    ]


@pytest.mark.parametrize("cursor", ["%00", "zzz", "NK20261123-000001"])
def test_a_cursor_from_elsewhere_is_a_problem(empty_station: Station, cursor: str) -> None:
    assert empty_station.get(f"/incidents?cursor={cursor}").status_code == 422


def test_the_second_handling_goes_to_the_unit_that_led(empty_station: Station) -> None:
    _, lead, (waiting, _) = merged(empty_station)
    empty_station.done(lead, "redispatch", lead_unit="wangdingdi")
    answer(empty_station, lead)
    empty_station.hear(reopened(waiting))
    assert empty_station.get(f"/cases/{waiting}").json()["case"]["lead_unit"] == "wangdingdi"


def test_an_unmerged_case_is_back_with_its_unit_and_is_not_proposed_again(
    empty_station: Station,
) -> None:
    incident, lead, (apart, _) = merged(empty_station)
    before = event(empty_station, incident)["count"]
    case = empty_station.done(apart, "unmerge", note="另一处积水")
    assert (case["state"], case["incident"], case["merged_into"]) == ("dispatched", None, None)
    assert empty_station.queues(apart)[case["lead_unit"]] == ("lead", True)
    running = [clock["kind"] for clock in case["clocks"] if clock["stopped_at"] is None]
    assert sorted(running) == ["accept", "contact", "resolve"]
    whole = event(empty_station, incident)
    assert whole["count"] == before - 1
    states = {member["case"]["number"]: member["state"] for member in whole["members"]}
    assert (states[apart], states[lead]) == ("removed", "proposed")
    empty_station.hear(flooded(apart, version=2))
    assert incident_of(empty_station, apart) is None


def test_danger_that_a_merged_caller_reports_is_not_left_waiting(empty_station: Station) -> None:
    _, _, (waiting, _) = merged(empty_station)
    empty_station.hear(flooded(waiting, version=2, priority=Priority.P1))
    assert empty_station.state(waiting) == "dispatched"
    assert empty_station.queues(waiting)["urban-management"] == ("lead", True)


def test_a_lead_that_is_closed_without_an_answer_sets_the_others_free(
    empty_station: Station,
) -> None:
    lead, *others = flood(empty_station, 3)
    incident = incident_of(empty_station, lead)
    undecided = empty_station.opened(FLOOD, abstained=True)
    assert empty_station.state(undecided) == "manual_dispatch"
    body = {"lead": undecided, "members": others}
    assert empty_station.post(f"/incidents/{incident}/merge", body).status_code == 200
    empty_station.hear(closed(undecided))
    assert [empty_station.state(number) for number in others] == ["dispatched", "dispatched"]
    states = {m["case"]["number"]: m["state"] for m in event(empty_station, incident)["members"]}
    assert {states[number] for number in others} == {"proposed"}


def test_new_calls_on_a_merged_event_are_proposed_and_merged_into_the_same_lead(
    empty_station: Station,
) -> None:
    incident, lead, _ = merged(empty_station)
    (late,) = flood(empty_station, 1)
    assert incident_of(empty_station, late) == incident
    assert empty_station.state(late) == "dispatched"
    other = empty_station.post(f"/incidents/{incident}/merge", {"lead": late})
    assert slug(other) == (409, "incident-has-lead")
    assert empty_station.post(f"/incidents/{incident}/merge", {}).status_code == 200
    assert empty_station.get(f"/cases/{late}").json()["case"]["merged_into"] == lead


def test_a_person_may_add_a_case_that_was_not_proposed(empty_station: Station) -> None:
    incident, lead, _ = merged(empty_station)
    other = empty_station.opened(STALLS, text="小贩的摊子漂起来了")
    before = event(empty_station, incident)["count"]
    body = {"members": [other], "lead": lead}
    assert empty_station.post(f"/incidents/{incident}/merge", body).status_code == 200
    assert empty_station.get(f"/cases/{other}").json()["case"]["incident"] == incident
    assert event(empty_station, incident)["count"] == before + 1


def test_a_case_from_outside_may_lead(empty_station: Station) -> None:
    incident = incident_of(empty_station, flood(empty_station, 2)[0])
    outside = empty_station.opened(STALLS)
    whole = empty_station.post(f"/incidents/{incident}/merge", {"lead": outside}).json()
    assert (whole["lead"], whole["count"]) == (outside, 3)
    assert {m["case"]["number"]: m["state"] for m in whole["members"]}[outside] == "proposed"
    assert incident_of(empty_station, outside) == incident


def test_a_call_between_two_events_joins_the_older_and_moves_nobody(
    empty_station: Station,
) -> None:
    rain, lid = "门口积水到膝盖了车都过不去", "马路中间井盖翘起来了差点绊倒老人"
    older, newer = (
        [empty_station.opened(FLOOD, text=words) for _ in range(2)] for words in (rain, lid)
    )
    between = empty_station.opened(FLOOD, text=f"{rain}，{lid}")
    first, second = (incident_of(empty_station, numbers[0]) for numbers in (older, newer))
    assert first != second
    assert incident_of(empty_station, between) == first
    assert [incident_of(empty_station, number) for number in newer] == [second, second]
    counts = {i["number"]: i["count"] for i in empty_station.get("/incidents").json()["items"]}
    assert counts == {first: 3, second: 2}


def test_a_dismissed_event_is_not_proposed_again(empty_station: Station) -> None:
    first, second = flood(empty_station, 2)
    incident = incident_of(empty_station, first)
    gone = empty_station.post(f"/incidents/{incident}/dismiss", {"note": "两处积水"}).json()
    assert (gone["state"], gone["count"]) == ("dismissed", 0)
    assert [incident_of(empty_station, number) for number in (first, second)] == [None, None]
    (third,) = flood(empty_station, 1)
    assert incident_of(empty_station, third) is None
    again = empty_station.post(f"/incidents/{incident}/dismiss", {})
    assert slug(again) == (409, "incident-settled")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/incidents/{incident}/merge", {"members": ["{lead}"]}, (422, "merge-into-itself")),
        ("/incidents/{incident}/merge", {"members": ["{waiting}"]}, (409, "wrong-state")),
        ("/incidents/{incident}/merge", {"members": ["NK1"]}, (422, "unknown-case")),
        ("/incidents/{incident}/merge", {"lead": "{waiting}"}, (409, "incident-has-lead")),
        ("/incidents/{incident}/merge", {}, (409, "nothing-to-merge")),
        ("/incidents/{incident}/dismiss", {}, (409, "incident-settled")),
        ("/incidents/E20200101-000001/merge", {}, (404, "not-found")),
        ("/incidents/E20200101-000001/dismiss", {}, (404, "not-found")),
        ("/cases/{lead}/unmerge", {}, (409, "wrong-state")),
        ("/cases/{waiting}/unmerge", {"version": 1}, (409, "stale-version")),
        ("/cases/NK1/unmerge", {}, (404, "not-found")),
        ("/cases/{lead}/split", {"demands": "{demands}"}, (409, "leads-others")),
        ("/cases/{lead}/merge", {}, (404, "not-found")),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    empty_station: Station, path: str, body: Json, expected: tuple[int, str]
) -> None:
    incident, lead, (waiting, _) = merged(empty_station)
    names = {"incident": incident, "lead": lead, "waiting": waiting}
    filled = json.loads(
        json.dumps(body)
        .replace('"{demands}"', json.dumps([{"leaf": LAMP, "text": "灯"}] * 2))
        .replace("{lead}", lead)
        .replace("{waiting}", waiting)
    )
    assert slug(empty_station.post(path.format(**names), filled)) == expected


@pytest.mark.parametrize("role", [Role.UNIT, Role.OPERATOR, Role.SUPERVISOR])
def test_only_the_grid_centre_merges(empty_station: Station, role: Role) -> None:
    unit = "urban-management" if role is Role.UNIT else None
    lead, waiting = flood(empty_station, 2)
    incident = incident_of(empty_station, lead)
    for path in (f"/incidents/{incident}/merge", f"/incidents/{incident}/dismiss"):
        assert empty_station.post(path, {}, role, unit).status_code == 403
    empty_station.post(f"/incidents/{incident}/merge", {})
    assert empty_station.give(waiting, "unmerge", role=role, unit=unit).status_code == 403
    assert empty_station.state(waiting) == "merged"
    listed = empty_station.get("/incidents", role, unit).status_code
    assert listed == (403 if role is Role.UNIT else 200)


def test_the_list_is_read_page_by_page_and_by_state_and_street(empty_station: Station) -> None:
    for leaf in (FLOOD, LAMP, STALLS):
        for _ in range(2):
            empty_station.opened(leaf, text="大雨过后这里出了问题，请尽快派人来看")
    numbers = []
    cursor = ""
    for _ in range(3):
        page = empty_station.get(f"/incidents?limit=1{cursor}").json()
        numbers += [item["number"] for item in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert page["next"] is None
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 3
    assert len(empty_station.get("/incidents?state=open&street=wangdingdi").json()["items"]) == 3
    assert empty_station.get("/incidents?state=confirmed").json()["items"] == []
    assert empty_station.get("/incidents?street=wanxing").json()["items"] == []


def test_two_batches_at_once_make_one_event_of_a_known_call(empty_station: Station) -> None:
    (first,) = flood(empty_station, 1)
    other = flooded(n=2)
    hearing = threading.Thread(target=empty_station.hear, args=(other,))
    with empty_station.database.writing() as writer:
        classified_handler(empty_station.rules)(writer, messages(flooded(n=1)))
        hearing.start()
        hearing.join(timeout=0.3)
        assert hearing.is_alive()
    hearing.join(timeout=5)
    (found,) = empty_station.get("/incidents").json()["items"]
    assert (found["count"], found["lead"]) == (3, first)


def test_who_is_merged_while_the_lead_is_being_verified_is_called_back_too(
    empty_station: Station,
) -> None:
    lead, waiting = flood(empty_station, 2)
    for command in ("accept", "contact", "reply"):
        empty_station.done(lead, command, unit="urban-management", note="已抽水")
    given = {"unit": "urban-management", "name": "李四"}
    verifying = threading.Thread(target=empty_station.done, args=(lead, "verify"), kwargs=given)
    order = MergeOrder("wang", Role.DISPATCHER, lead=lead)
    with working(empty_station.database, empty_station.rules, datetime.now(UTC)) as work:
        merge_incident(work, incident_of(empty_station, lead), order)
        verifying.start()
        verifying.join(timeout=0.3)
        assert verifying.is_alive()
    verifying.join(timeout=5)
    assert empty_station.state(waiting) == "callback_pending"
