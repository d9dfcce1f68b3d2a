"""The router over HTTP: previews, units, cases, and every command of a case's whole life."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events import Priority
from shared.roles import Role
from tests.router.station import (
    ELSEWHERE,
    HERE,
    LAMP,
    STALLS,
    TRAPPED,
    Json,
    Response,
    Station,
    classified,
    closed,
    new_number,
    reopened,
)

LEAD = "urban-management"
MONDAY = "2026-11-23T10:00:00+08:00"
RETURN: Json = {"reason_code": "not_ours", "basis": "三定方案第五条", "proposed_owner": "power"}
PHONE = "13820001234"


def problem(answer: Response) -> tuple[int, str]:
    """Status and stable name of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("urn:hotline:problem:")


def times_in(shown: Any, name: str = "") -> Iterator[str]:
    """Every instant in an answer, by the names they have."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            yield from times_in(value, key)
    elif isinstance(shown, list):
        for value in shown:
            yield from times_in(value, name)
    elif isinstance(shown, str) and (name == "at" or name.endswith("_at")):
        yield shown


def preview(station: Station, **question: object) -> Json:
    """What the router would do on a Monday at ten."""
    answer = station.post("/route", {"text": "请来看看", "at": MONDAY, **question}, Role.OPERATOR)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


NEXT_EVENING, THIRD_EVENING = "2026-11-24T17:30:00+08:00", "2026-11-26T17:30:00+08:00"


@pytest.mark.parametrize(
    ("question", "disposition", "lead", "certainty", "reason", "clocks"),
    [
        (
            {"leaf": LAMP, "address": HERE},
            "dispatch",
            LEAD,
            "exact",
            "“路灯照明”由区城市管理委员会主责",
            [
                ("accept", "1wd", "working", NEXT_EVENING),
                ("contact", "1wd", "working", NEXT_EVENING),
                ("resolve", "3wd", "working", THIRD_EVENING),
            ],
        ),
        (
            {"leaf": LAMP, "address": HERE, "priority": "P1"},
            "dispatch",
            LEAD,
            "exact",
            "“迎水里”属王顶堤街道",
            [
                ("accept", "15min", "always", "2026-11-23T10:15:00+08:00"),
                ("contact", "1wd", "working", NEXT_EVENING),
                ("resolve", "3wd", "working", THIRD_EVENING),
            ],
        ),
        (
            {"leaf": TRAPPED, "text": "迎水里3号楼电梯困人"},
            "transfer_emergency",
            "lift-rescue",
            "exact",
            "P0紧急：立即转110、119、120或抢修热线，同时派单",
            [
                ("accept", "15min", "always", "2026-11-23T10:15:00+08:00"),
                ("contact", "0min", "always", MONDAY),
                ("resolve", "1h", "always", "2026-11-23T11:00:00+08:00"),
            ],
        ),
        (
            {"leaf": LAMP},
            "awaiting_info",
            "hotline-office",
            "unknown",
            "地点不明，须向来电人问清：请问在哪条路、哪个小区，或者哪个路口附近？",
            None,
        ),
        (
            {"leaf": LAMP, "address": ELSEWHERE},
            "redirect_out",
            "city-hotline",
            "outside",
            "说的是和平区",
            [
                ("accept", "30min", "always", "2026-11-23T10:30:00+08:00"),
                ("resolve", "1wd", "working", NEXT_EVENING),
            ],
        ),
        (
            {"leaf": LAMP, "text": "官易里路灯不亮"},
            "manual_dispatch",
            "grid-centre",
            "transferred",
            "已划出南开区的社区，须人工核定管辖，不得以不属本区办结",
            None,
        ),
        (
            {"leaf": STALLS, "address": HERE, "accused_unit": "wangdingdi"},
            "dispatch",
            "discipline",
            "exact",
            "主责单位即被投诉单位，转区纪委监委（督查）",
            None,
        ),
        (
            {"leaf": LAMP, "address": HERE, "abstained": True},
            "manual_dispatch",
            "hotline-office",
            "exact",
            "分类把握不足，由热线办人工判定",
            None,
        ),
    ],
)
def test_a_preview_says_who_would_do_it_by_when_and_why(
    station: Station,
    question: Json,
    disposition: str,
    lead: str,
    certainty: str,
    reason: str,
    clocks: list[tuple[str, ...]] | None,
) -> None:
    found = preview(station, **question)
    assert found["disposition"] == disposition
    assert found["lead_unit"] == lead
    assert found["place"]["certainty"] == certainty
    assert reason in found["reasons"]
    if clocks is not None:
        shown = [(c["kind"], c["within"], c["calendar"], c["due_at"]) for c in found["clocks"]]
        assert shown == clocks


def test_a_preview_leaves_the_places_that_are_meant_and_what_to_ask(station: Station) -> None:
    found = preview(station, leaf=LAMP, text="鞍山西道路灯不亮")
    assert {one["street"] for one in found["candidates"]} == {"xuefu", "wanxing"}
    assert found["question"] == found["place"]["question"]
    assert found["question"].startswith("请问是鞍山西道靠")
    known = preview(station, leaf=LAMP, address=HERE)
    assert (known["candidates"], known["question"]) == ([], None)


def test_a_preview_of_danger_says_what_to_dial_and_what_to_tell(station: Station) -> None:
    said = {"kind": "trapped_lift", "clause": "电梯里困了人"}
    found = preview(station, leaf=LAMP, address=HERE, danger=said)
    (alarm,) = found["alarms"]
    assert (found["priority"], alarm["kind"], alarm["clause"]) == ("P0", *said.values())
    assert alarm["dial"]
    assert alarm["tell_caller"]
    assert found["disposition"] == "transfer_emergency"


@pytest.mark.parametrize("kind", ["nonsense", "", "Trapped", 3])
def test_a_preview_of_a_danger_that_there_is_not_is_refused(station: Station, kind: object) -> None:
    asked = {"text": "x", "leaf": LAMP, "danger": {"kind": kind}}
    assert station.post("/route", asked).status_code == 422


def test_a_preview_stores_nothing(empty_station: Station) -> None:
    preview(empty_station, leaf=TRAPPED, address=HERE)
    assert empty_station.value("SELECT count(*) FROM case_record") == 0
    assert empty_station.value("SELECT count(*) FROM outbox") == 0


def test_a_preview_is_what_happens_then(station: Station) -> None:
    found = preview(station, leaf=STALLS, address=HERE)
    number = station.opened(STALLS)
    case = station.get(f"/cases/{number}").json()["case"]
    names = ("place", "disposition", "lead_unit", "assist_units", "reasons", "policy_version")
    assert {name: case[name] for name in names} == {name: found[name] for name in names}


def test_the_units_are_those_of_the_policy(station: Station) -> None:
    units = station.get("/units", Role.UNIT, "fire").json()
    assert len(units) == len(station.rules.policy.units)
    streets = [unit for unit in units if unit["kind"] == "street"]
    assert len(streets) == 12
    assert {
        "slug": "gulou",
        "name": "鼓楼街道",
        "kind": "street",
        "division_code": "120104002",
        "phone": None,
    } in streets


def test_a_case_shows_itself_its_ticket_and_everything_that_happened(station: Station) -> None:
    number = station.answered()
    shown = station.get(f"/cases/{number}", Role.OPERATOR).json()
    assert shown["ticket"]["number"] == shown["case"]["number"] == number
    facts = [(line["fact"], line["actor"], line["unit"]) for line in shown["log"]]
    assert facts == [
        ("dispatched", "system", None),
        ("accepted", f"unit-{LEAD}", LEAD),
        ("contacted", f"unit-{LEAD}", LEAD),
        ("replied", f"unit-{LEAD}", LEAD),
        ("verified", "李四", LEAD),
    ]


def test_every_time_in_an_answer_is_that_on_the_wall(station: Station) -> None:
    number = station.opened(TRAPPED, occurred_at=datetime.now(UTC))
    station.fire(datetime.now(UTC) + timedelta(days=1))
    seen = list(times_in(station.get(f"/cases/{number}").json()))
    seen += times_in(station.done(number, "accept", unit="lift-rescue"))
    seen += times_in(preview(station, leaf=LAMP, address=HERE))
    assert len(seen) > 20
    assert all(time.endswith("+08:00") for time in seen), seen


REVIEW = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()

# Command, what is given, the state it leads to, and its fact.
LIFE: tuple[tuple[str, Mapping[str, Any], str, str], ...] = (
    ("redispatch", {"lead_unit": LEAD, "leaf": LAMP}, "dispatched", "reclassified"),
    ("return", {"unit": LEAD, **RETURN}, "return_requested", "return_requested"),
    ("rule-return", {"approve": False, "note": "属你单位"}, "dispatched", "return_denied"),
    ("urge", {"role": Role.OPERATOR, "note": "又来电"}, "dispatched", "urged"),
    ("supervise", {"role": Role.SUPERVISOR}, "dispatched", "supervised"),
    ("accept", {"unit": LEAD}, "accepted", "accepted"),
    ("contact", {"unit": LEAD}, "in_progress", "contacted"),
    ("extend", {"unit": LEAD, "note": "待料"}, "extension_requested", "extension_requested"),
    ("rule-extension", {"approve": True}, "in_progress", "extended"),
    ("suspend", {"plan": "等新灯杆", "review_date": REVIEW}, "suspended", "suspended"),
    ("resume", {"unit": LEAD}, "in_progress", "resumed"),
    ("reply", {"unit": LEAD, "note": "已修好"}, "replied", "replied"),
    ("verify", {"unit": "wangdingdi", "approve": False}, "in_progress", "verification_failed"),
    ("reply", {"unit": LEAD, "note": "又修好"}, "replied", "replied"),
    ("verify", {"unit": "wangdingdi"}, "callback_pending", "verified"),
)


def test_a_whole_life_over_http(station: Station) -> None:
    number = station.opened(abstained=True)
    version = 1
    for command, given, state, fact in LIFE:
        case = station.done(number, command, version=version, **given)
        version += 1
        assert (case["state"], case["version"]) == (state, version), command
        assert station.facts(number)[-1] == fact
    station.hear(closed(number))
    shown = station.get(f"/cases/{number}").json()
    assert shown["case"]["state"] == "closed"
    assert shown["log"][-1]["detail"] == {"outcome": "solved"}
    assert all(clock["stopped_at"] for clock in shown["case"]["clocks"])
    topic = [type_ for topic, type_ in station.said(number) if topic == "hotline.cases"]
    assert topic == [f"hotline.case.{fact}.v1" for fact in station.facts(number)]


def test_a_second_handling_has_its_own_clocks_and_after_two_a_person_decides(
    station: Station,
) -> None:
    number = station.answered()
    for round_ in (1, 2):
        station.hear(reopened(number, round_))
        assert station.state(number) == "dispatched"
        for command in ("accept", "contact", "reply"):
            station.done(number, command, unit=LEAD, note="再次处理")
        station.done(number, "verify", unit=LEAD, name="李四")
    station.hear(reopened(number, 3))
    assert station.state(number) == "manual_dispatch"
    assert station.queues(number)["grid-centre"] == ("desk", True)


def test_a_return_moves_the_case_and_a_second_dispute_designates(station: Station) -> None:
    number = station.opened()
    station.done(number, "return", unit=LEAD, **RETURN)
    assert station.queues(number)["power"] == ("rule", True)
    case = station.done(number, "rule-return", unit="power", approve=True)
    assert (case["lead_unit"], case["state"]) == ("power", "dispatched")
    assert station.queues(number) == {
        LEAD: ("lead", False),
        "power": ("lead", True),
        "grid-centre": ("rule", False),
    }
    back = {**RETURN, "proposed_owner": "ecology"}
    station.done(number, "return", unit="power", **back)
    station.done(number, "rule-return", approve=True, lead_unit="housing")
    assert station.facts(number)[-3:] == ["returned", "redispatched", "designated"]
    refused = station.give(number, "return", unit="housing", **back)
    assert problem(refused) == (409, "return-designated")


def test_the_street_of_a_place_goes_on_seeing_a_case_that_it_has_verified(
    station: Station,
) -> None:
    number = station.opened(STALLS, address=HERE)
    station.done(number, "redispatch", lead_unit="housing", assist_units=[])
    for command in ("accept", "contact", "reply"):
        station.done(number, command, unit="housing", note="已处理")
    answer = station.give(number, "verify", unit="wangdingdi")
    assert answer.status_code == 200
    assert answer.json()["case"]["state"] == "callback_pending"
    assert station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").status_code == 200
    assert station.get(f"/cases/{number}", Role.UNIT, "gulou").status_code == 404


def test_a_dispatcher_may_decide_leaf_priority_and_assistants_too(station: Station) -> None:
    number = station.opened(abstained=True)
    case = station.done(
        number,
        "redispatch",
        lead_unit="gas-heat",
        leaf="safety.gas_leak",
        priority="P1",
        assist_units=["fire", "police"],
    )
    assert (case["leaf"], case["category"], case["priority"]) == (
        "safety.gas_leak",
        "safety",
        "P1",
    )
    accept = next(clock for clock in case["clocks"] if clock["kind"] == "accept")
    assert accept["within"] == "15min"
    open_ = {unit: role for unit, (role, is_open) in station.queues(number).items() if is_open}
    assert open_ == {"gas-heat": "lead", "fire": "assist", "police": "assist"}


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [
        ("accept", {"unit": LEAD, "version": 7}, (409, "stale-version")),
        ("reply", {"unit": LEAD, "note": "好了"}, (409, "wrong-state")),
        ("contact", {"unit": LEAD}, (409, "accept-first")),
        ("verify", {}, (409, "wrong-state")),
        ("redispatch", {}, (422, "missing-field")),
        ("redispatch", {"lead_unit": LEAD}, (422, "same-unit")),
        ("redispatch", {"lead_unit": "no-such-unit"}, (422, "unit-unavailable")),
        (
            "redispatch",
            {"lead_unit": "power", "assist_units": ["citizen"]},
            (422, "unit-unavailable"),
        ),
        ("redispatch", {"lead_unit": "power", "leaf": "grid.nonsense"}, (422, "unknown-leaf")),
        ("return", {"unit": LEAD}, (422, "missing-field")),
        ("return", {"unit": LEAD, **RETURN, "proposed_owner": LEAD}, (422, "same-unit")),
        ("accept", {}, (403, "role-not-allowed")),
        ("redispatch", {"unit": LEAD, "lead_unit": "power"}, (403, "role-not-allowed")),
        ("accept", {"unit": "power"}, (403, "unit-not-allowed")),
        ("supervise", {"role": Role.OPERATOR}, (403, "role-not-allowed")),
        ("called-back-solved", {}, (404, "not-found")),
        ("supplement", {}, (404, "not-found")),
        ("no-such-command", {}, (404, "not-found")),
        ("%00", {}, (404, "not-found")),
    ],
)
def test_a_refusal_names_its_reason_and_changes_nothing(
    station: Station, command: str, given: Json, expected: tuple[int, str]
) -> None:
    number = station.opened()
    before = station.rows("SELECT xmin::text FROM case_record WHERE number = :n", n=number)
    assert problem(station.give(number, command, **given)) == expected
    after = station.rows("SELECT xmin::text FROM case_record WHERE number = :n", n=number)
    assert after == before
    assert station.facts(number) == ["dispatched"]


@pytest.mark.parametrize(
    ("leads_to", "command", "given", "expected"),
    [
        (("accept", "contact"), "extend", {"unit": LEAD}, (422, "missing-field")),
        (("accept", "contact"), "suspend", {"plan": "等料"}, (422, "missing-field")),
        (
            ("accept", "contact"),
            "suspend",
            {"plan": "等料", "review_date": "2026-01-01"},
            (422, "review-date-past"),
        ),
        (("accept",), "reply", {"unit": LEAD, "note": "好了"}, (409, "contact-first")),
        (("accept", "contact", "reply"), "verify", {"unit": LEAD}, (403, "verify-own-work")),
        (("return",), "rule-return", {}, (422, "missing-field")),
        (
            ("return",),
            "rule-return",
            {"unit": "power", "approve": False},
            (403, "only-centre-denies"),
        ),
        (("accept",), "return", {"unit": LEAD, **RETURN}, (409, "wrong-state")),
    ],
)
def test_a_refusal_later_in_a_case_names_its_reason(
    station: Station,
    leads_to: tuple[str, ...],
    command: str,
    given: Json,
    expected: tuple[int, str],
) -> None:
    number = station.opened()
    for step in leads_to:
        given_then = RETURN if step == "return" else {"note": "已处理"}
        station.done(number, step, unit=LEAD, **given_then)
    assert problem(station.give(number, command, **given)) == expected


def test_danger_is_never_returned_nor_suspended(station: Station) -> None:
    number = station.opened(priority=Priority.P1)
    assert problem(station.give(number, "return", unit=LEAD, **RETURN)) == (409, "return-emergency")
    station.done(number, "accept", unit=LEAD)
    station.done(number, "contact", unit=LEAD)
    parked = station.give(number, "suspend", plan="等料", review_date=REVIEW)
    assert problem(parked) == (409, "suspend-emergency")


def test_of_two_who_saw_the_same_version_the_second_is_refused(station: Station) -> None:
    number = station.opened()
    station.done(number, "redispatch", lead_unit="power", version=1)
    second = station.give(number, "redispatch", lead_unit="housing", version=1)
    assert problem(second) == (409, "stale-version")


@pytest.mark.parametrize("command", ["accept", "verify", "return", "rule-return", "no-such"])
def test_a_foreign_case_is_the_same_as_none(station: Station, command: str) -> None:
    number = station.opened()
    foreign = station.give(number, command, unit="housing", version=9)
    unknown = station.give("NK20261123-999999", command, unit="housing", version=9)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()


@pytest.mark.parametrize(
    "number", ["NK20261123-999999", "nonsense", "%00", "%E8%B7%AF%E7%81%AF", "x" * 300, "a%20b"]
)
def test_a_number_nobody_has_is_not_found(station: Station, number: str) -> None:
    unknown = station.get("/cases/NK20261123-999999").json()
    for answer in (station.get(f"/cases/{number}"), station.give(number, "urge")):
        assert problem(answer) == (404, "not-found")
        assert answer.json() == unknown


def test_a_unit_acts_in_its_own_name_only(station: Station) -> None:
    number = station.opened()
    answer = station.post(
        f"/cases/{number}/accept", {"unit": "police"}, Role.UNIT, "urban-management"
    )
    assert problem(answer) == (403, "forbidden")
    answer = station.post(f"/cases/{number}/accept", {"unit": LEAD}, Role.UNIT, LEAD)
    assert answer.status_code == 200


ROUTES = [
    ("POST", "/api/route", {Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM}),
    ("GET", "/api/units", set(Role)),
    (
        "GET",
        "/api/units/fire/queue",
        {Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM},
    ),
    ("GET", "/api/cases/NK20261123-999999", set(Role)),
    (
        "POST",
        "/api/cases/NK20261123-999999/accept",
        {Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR},
    ),
]


@pytest.mark.parametrize(("method", "path", "roles"), ROUTES)
@pytest.mark.parametrize("role", Role)
def test_authorisation_comes_before_anything_else(
    station: Station, method: str, path: str, roles: set[Role], role: Role
) -> None:
    nonsense: Json = {"content": b"{not json", "params": {"limit": "many", "wait": "long"}}
    nobody = station.client.request(method, path, **nonsense)
    assert problem(nobody) == (401, "unauthenticated")
    header = station.header(role, "fire" if role is Role.UNIT else None)
    answer = station.client.request(method, path, headers=header, **nonsense)
    assert (answer.status_code == 403) == (role not in roles)
    assert answer.status_code != 401


def test_what_people_write_is_redacted_before_it_is_stored_or_told(station: Station) -> None:
    number = station.opened()
    written = f"联系电话{PHONE}"
    station.done(
        number,
        "return",
        unit=LEAD,
        note=written,
        basis=written,
        reason_code=written,
        proposed_owner="power",
    )
    station.done(number, "rule-return", approve=False, note=written)
    for command in ("accept", "contact"):
        station.done(number, command, unit=LEAD, note=written)
    station.done(number, "suspend", plan=written, review_date=REVIEW)
    everywhere = [
        *station.rows("SELECT note || detail::text FROM case_log WHERE number = :n", n=number),
        *station.rows("SELECT details::text FROM case_record WHERE number = :n", n=number),
        *station.rows("SELECT convert_from(payload, 'UTF8') FROM outbox WHERE key = :n", n=number),
    ]
    assert "联系电话" in str(everywhere)
    assert PHONE not in str(everywhere)


def test_a_command_and_everything_it_says_is_one_transaction(station: Station) -> None:
    number = station.opened()
    station.done(number, "accept", unit=LEAD)
    query = """
        SELECT xmin::text FROM case_record WHERE number = :n
        UNION SELECT xmin::text FROM queue_entry WHERE number = :n
        UNION SELECT xmin::text FROM case_log WHERE number = :n AND fact = 'accepted'
        UNION SELECT xmin::text FROM clock WHERE number = :n AND kind = 'accept'
        UNION SELECT xmin::text FROM outbox WHERE key = :n AND type = 'hotline.case.accepted.v1'
    """
    assert len(station.rows(query, n=number)) == 1


def test_a_confidential_ticket_tells_a_unit_no_more_than_it_needs(station: Station) -> None:
    number = new_number()
    station.hear(classified(number, confidential=True))
    ticket = station.get(f"/cases/{number}", Role.UNIT, LEAD).json()["ticket"]
    assert ticket["confidential"]
    assert not {"caller", "name", "phone"} & set(ticket)
