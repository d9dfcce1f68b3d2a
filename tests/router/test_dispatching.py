"""From a classified ticket to a routing: what is looked at, and what holds for the case."""

from datetime import date, datetime

import pytest

from services.router.dispatching import (
    Rules,
    category_of,
    matter_of,
    route,
    terms_for,
    valid_units,
)
from services.router.policy import POLICY_DIRECTORY, load_policy
from shared.calendar import SHANGHAI, load_calendar
from shared.events import Category, Certainty, ClockKind, Disposition, Location, Priority
from shared.taxonomy import load_taxonomy
from tests.router.station import LAMP, TRAPPED, Json, classified, new_number

RULES = Rules(load_policy(POLICY_DIRECTORY), load_calendar())
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)


def test_a_title_may_name_the_place() -> None:
    said = classified(new_number(), title="迎水里路灯", text="一直不亮", address=None)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert routing.place.street == "wangdingdi"


def test_a_matter_is_what_the_classification_says_of_the_ticket() -> None:
    point = Location(lat=39.1, lon=117.1)
    said = classified(
        new_number(), location=point, accused_unit="power", priority=Priority.P1, abstained=True
    )
    matter = matter_of(said)
    assert (matter.location, matter.accused_unit, matter.priority) == (point, "power", Priority.P1)
    assert matter.abstained
    assert matter.leaf == LAMP


@pytest.mark.parametrize(
    ("fields", "lead", "desk", "assist"),
    [
        ({}, "urban-management", None, ("power", "wangdingdi")),
        ({"address": None}, None, "hotline-office", ()),
        ({"leaf": TRAPPED}, "lift-rescue", None, ("market", "fire", "wangdingdi")),
    ],
)
def test_a_lead_is_called_or_a_desk_decides_never_both(
    fields: Json, lead: str | None, desk: str | None, assist: tuple[str, ...]
) -> None:
    said = classified(new_number(), **fields)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert (routing.lead_unit, routing.desk, routing.assist_units) == (lead, desk, assist)


@pytest.mark.parametrize("leaf", load_taxonomy())
@pytest.mark.parametrize("priority", Priority)
def test_every_leaf_is_routed_to_somebody_with_reasons(leaf: str, priority: Priority) -> None:
    said = classified(new_number(), leaf, priority=priority)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert (routing.lead_unit is None) != (routing.desk is None)
    assert routing.reasons
    assert routing.category is category_of(leaf)
    if routing.disposition is Disposition.DISPATCH:
        assert routing.place.certainty is Certainty.EXACT


def test_the_terms_of_a_case_are_those_of_its_leaf_and_priority() -> None:
    calm = dict(terms_for(RULES, LAMP, Priority.P3, MONDAY).limits)
    urgent = dict(terms_for(RULES, LAMP, Priority.P1, MONDAY).limits)
    assert str(calm[ClockKind.ACCEPT]) == "1wd"
    assert str(urgent[ClockKind.ACCEPT]) == "15min"
    assert calm[ClockKind.RESOLVE] == urgent[ClockKind.RESOLVE]
    terms = terms_for(RULES, LAMP, Priority.P3, MONDAY)
    assert terms.policy_version == RULES.policy.version
    assert terms.units == valid_units(RULES.policy, date(2026, 11, 23))


def test_a_leaf_the_taxonomy_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        category_of("grid.no_such_thing")
    assert category_of("elderly.home_care") is Category.ELDERLY
