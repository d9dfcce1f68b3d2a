"""The caller's history in the router: told to whoever asks, and nothing is decided by it."""

from datetime import datetime
from typing import Any

import pytest

from services.router.domain.routing import Rules, matter_of, route
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.calendar import SHANGHAI, load_calendar
from shared.events import Priority
from shared.roles import Role
from shared.taxonomy import load_taxonomy
from tests.router.station import HERE, LAMP, STALLS, TRAPPED, Station, classified, new_number

RULES = Rules(load_policy(POLICY_DIRECTORY), load_calendar())
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
WANXING = "来电人以往诉求多在万兴街道，仅供参考，请核实地点"
OTHERS = ("NK20261120-000007", "NK20261101-000001")
REPEATS = "同一来电人近期另有2件工单：NK20261120-000007、NK20261101-000001"
HISTORY = {"earlier": OTHERS, "usual_street": "wanxing"}
ABUSE = "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！"


@pytest.mark.parametrize(
    ("leaf", "fields", "told"),
    [
        (LAMP, {"address": None}, True),
        (LAMP, {"address": None, "abstained": True}, True),
        (LAMP, {"address": "荣迁"}, False),
        (LAMP, {"address": HERE}, False),
        (LAMP, {"address": "和平区南京路"}, False),
        (LAMP, {"address": "鸿福里3号楼"}, False),
        (TRAPPED, {"address": None}, False),
    ],
)
def test_the_usual_street_is_told_where_nothing_is_known_of_the_place(
    leaf: str, fields: dict[str, Any], told: bool
) -> None:
    said = classified(new_number(), leaf, usual_street="wanxing", **fields)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert (WANXING in routing.reasons) is told


@pytest.mark.parametrize("street", ["no-such-street", "fire", "", "万兴街道"])
def test_a_street_nobody_knows_is_ignored(street: str) -> None:
    number = new_number()
    said = classified(number, address=None, usual_street=street)
    plain = classified(number, address=None)
    assert route(RULES.policy, matter_of(said), MONDAY) == route(
        RULES.policy, matter_of(plain), MONDAY
    )


@pytest.mark.parametrize(
    ("earlier", "reason"),
    [
        ((), None),
        (OTHERS[:1], None),
        (OTHERS, REPEATS),
        ((*OTHERS, "NK20261030-000002"), f"同一来电人近期另有3件{REPEATS[11:]}、NK20261030-000002"),
    ],
)
@pytest.mark.parametrize("address", [HERE, None])
def test_two_earlier_tickets_make_a_repeat(
    earlier: tuple[str, ...], reason: str | None, address: str | None
) -> None:
    said = classified(new_number(), address=address, earlier=earlier)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert routing.flags == ({"repeat"} if reason else set())
    told = [why for why in routing.reasons if "同一来电人" in why]
    assert told == ([reason] if reason else [])


@pytest.mark.parametrize("leaf", load_taxonomy())
@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("address", [HERE, None])
def test_history_decides_nothing(leaf: str, priority: Priority, address: str | None) -> None:
    number = new_number()
    plain, told = (
        route(
            RULES.policy,
            matter_of(classified(number, leaf, priority=priority, address=address, **history)),
            MONDAY,
        )
        for history in ({}, HISTORY)
    )
    decided = ("disposition", "place", "lead_unit", "desk", "assist_units", "limits", "waits")
    for name in (*decided, "suggested_whistle", "demands", "priority"):
        assert getattr(told, name) == getattr(plain, name)
    assert [why for why in told.reasons if why not in (WANXING, REPEATS)] == list(plain.reasons)


def test_a_whistle_is_suggested_by_what_is_said_not_by_other_tickets() -> None:
    owners = "property.owners_committee"
    quiet = classified(new_number(), owners, text="业委会不开会", earlier=OTHERS)
    said = classified(new_number(), owners, text="业委会不开会，反映多次", earlier=OTHERS)
    assert route(RULES.policy, matter_of(quiet), MONDAY).suggested_whistle is None
    assert route(RULES.policy, matter_of(said), MONDAY).suggested_whistle is not None


def test_the_eighth_call_waits_for_its_place_and_names_the_ones_before(station: Station) -> None:
    number = station.opened("grid.dispute_mediation", text=ABUSE, address=None, **HISTORY)
    for role in (Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR):
        shown = station.get(f"/cases/{number}", role).json()
        assert (shown["case"]["state"], shown["case"]["place"]["street"]) == ("awaiting_info", None)
        assert shown["case"]["flags"] == ["repeat"]
        assert {WANXING, REPEATS, "“打八遍”：此前已反映过"} <= set(shown["case"]["reasons"])
        assert shown["ticket"]["earlier"] == list(OTHERS)


def test_once_the_place_is_known_the_usual_street_is_not_spoken_of(station: Station) -> None:
    number = station.opened(STALLS, address=None, **HISTORY)
    station.hear(classified(number, STALLS, version=2, address=HERE, **HISTORY))
    case = station.get(f"/cases/{number}").json()["case"]
    assert (case["lead_unit"], case["place"]["street"]) == ("wangdingdi", "wangdingdi")
    assert WANXING not in case["reasons"]
    assert REPEATS in case["reasons"]


def test_no_unit_is_told_of_the_callers_other_tickets(station: Station) -> None:
    number = station.opened(STALLS, **HISTORY)
    (item,) = [
        item
        for item in station.get("/units/wangdingdi/queue", Role.UNIT, "wangdingdi").json()["items"]
        if item["number"] == number
    ]
    shown = station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").json()
    (queued,) = station.rows(
        "SELECT convert_from(payload, 'UTF8') FROM outbox WHERE key = :n AND topic LIKE '%queue.%'",
        n=number,
    )
    for seen in (str(item), str(shown), queued[0]):
        assert not any(other in seen for other in OTHERS)
        assert "wanxing" not in seen
        assert "来电人" not in seen
