"""The register resolved by name, and what holds for every text."""

import csv
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.places.names import short_name
from services.router.domain.places.resolver import (
    LOCATION_UNUSED,
    NOTHING_SAID,
    names_unregistered,
    resolve,
)
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Location, Place

POLICY = load_policy(POLICY_DIRECTORY)
GAZETTEER = POLICY.gazetteer

EXACT, STREET = Certainty.EXACT, Certainty.STREET
AMBIGUOUS, UNKNOWN = Certainty.AMBIGUOUS, Certainty.UNKNOWN
OUTSIDE, TRANSFERRED = Certainty.OUTSIDE, Certainty.TRANSFERRED


def table(name: str) -> list[dict[str, str]]:
    with (POLICY_DIRECTORY / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


COMMUNITIES = table("communities")
ROADLIKE = ("路", "街")


def where(text: str, address: str | None = None) -> Place:
    return resolve(GAZETTEER, text, address)


def test_the_register_holds_the_171_communities_of_the_12_streets() -> None:
    assert len(COMMUNITIES) == 171
    assert len({row["street"] for row in COMMUNITIES}) == 12


@pytest.mark.parametrize("row", COMMUNITIES, ids=lambda row: row["name"])
def test_a_community_is_found_by_its_name_in_every_dress(row: dict[str, str]) -> None:
    name = short_name(row["name"])
    stem = name.removesuffix("里")
    said = [row["name"], f"{name}社区", f"{name}居委会", f"{name}小区", name, f"{name}3号楼"]
    said += [f"我们{name}小区楼道灯坏了", f"家住{name}社区，下水堵了"]
    if stem != "荣迁":
        said += [f"{stem}社区", f"{stem}小区", stem]
    for words in said:
        place = where(words)
        assert (place.certainty, place.street, place.community) == (
            EXACT,
            row["street"],
            row["code"],
        ), words


@pytest.mark.parametrize(
    "row", [row for row in COMMUNITIES if row["alone"] != "no"], ids=lambda row: row["name"]
)
def test_a_distinctive_name_needs_no_ending(row: dict[str, str]) -> None:
    place = where(f"{short_name(row['name'])}门口有人摆摊，天天晚上吵")
    assert place.community == row["code"]


@pytest.mark.parametrize("row", table("old_names"), ids=lambda row: row["name"])
def test_an_old_name_leads_to_its_street(row: dict[str, str]) -> None:
    place = where(f"{row['name']}社区的路灯坏了")
    assert place.street == row["street"]
    assert place.community == (row["community"] or None)


@pytest.mark.parametrize("row", table("compounds"), ids=lambda row: row["name"])
def test_a_compound_of_the_register_gives_its_street(row: dict[str, str]) -> None:
    said = row["name"] if len(row["name"]) > 2 else f"{row['name']}小区"
    place = where(f"我们{said}门口积水")
    if row["confidence"] == "derived" or "|" in row["street"]:
        assert (place.certainty, place.street) == (AMBIGUOUS, None)
        assert {each.street for each in place.candidates} == set(row["street"].split("|"))
    else:
        assert (place.street, place.community) == (row["street"], row["community"] or None)
        assert place.certainty is (EXACT if row["community"] else STREET)


@pytest.mark.parametrize("row", table("lookalikes"), ids=lambda row: row["heard"])
def test_what_the_speech_recogniser_hears_is_what_was_meant(row: dict[str, str]) -> None:
    names = [short_name(each["name"]) for each in COMMUNITIES]
    names += [each["name"] for each in table("units") if each["kind"] == "street"]
    names += [each["name"] for each in (*table("compounds"), *table("transferred"))]
    names += [f"{name}办事处" for name in ("长虹街", "广开街", "华苑街")]
    meant = [name for name in names if row["meant"] in name]
    assert meant
    for name in meant:
        heard = where(name.replace(row["meant"], row["heard"]) + "社区")
        spoken = where(f"{name}社区")
        assert (heard.certainty, heard.street) == (spoken.certainty, spoken.street)


@pytest.mark.parametrize(
    ("address", "text", "certainty", "street"),
    [
        ("保山南里3号楼", "我在风荷园那边看见过一次", EXACT, "wangdingdi"),
        ("万兴街道", "风荷园门口井盖碎了", EXACT, "wanxing"),
        ("万兴街道", "保山南里也这样", STREET, "wanxing"),
        ("林苑", "我们林苑东里停水", EXACT, "wangdingdi"),
        ("天津市南开区", "保山南里楼道灯不亮", EXACT, "wangdingdi"),
        ("天津市河西区", "保山南里楼道灯不亮", EXACT, "wangdingdi"),
        ("宾水西道395号", "保山南里的人都去那吃", OUTSIDE, None),
        ("燕宇花园", "南开区万兴街道不管", TRANSFERRED, None),
        ("", "保山南里楼道灯不亮", EXACT, "wangdingdi"),
        ("三单元201", "楼道灯不亮", UNKNOWN, None),
        ("华苑 碧华里 ２号楼", "停水", EXACT, "huayuan"),
    ],
)
def test_the_address_is_read_before_the_text(
    address: str, text: str, certainty: Certainty, street: str | None
) -> None:
    place = where(text, address)
    assert (place.certainty, place.street) == (certainty, street)


def test_coordinates_without_boundaries_prove_nothing_and_the_reasons_say_so() -> None:
    location = Location(lat=39.1, lon=117.15)
    place = resolve(GAZETTEER, "路灯坏了", None, location)
    assert place.certainty is UNKNOWN
    assert place.reasons == (NOTHING_SAID, LOCATION_UNUSED)
    assert LOCATION_UNUSED not in resolve(GAZETTEER, "保山南里停水", None, location).reasons


@given(st.text(max_size=300), st.none() | st.text(max_size=60))
def test_any_text_has_a_place_with_a_reason(text: str, address: str | None) -> None:
    place = where(text, address)
    assert place.reasons
    assert (place.certainty is EXACT) == (place.community is not None)
    if place.certainty in (UNKNOWN, OUTSIDE, TRANSFERRED):
        assert place.street is None
    if place.certainty is STREET:
        assert place.street is not None
    if place.street is not None:
        assert place.district == "南开区"


AREAS = [
    "南开区",
    "西青区",
    "王顶堤",
    "万兴街",
    "向阳",
    "路",
    "楼",
    "街道",
    "宾水西道",
    "393",
    "号",
]
ESTATES = [
    "保山",
    "里",
    "南里",
    "林苑",
    "风荷园",
    "家园",
    "燕宇花园",
    "社区",
    "，",
    "一",
    "我们",
    "说",
]
PIECES = st.sampled_from([*AREAS, *ESTATES])


@given(st.lists(PIECES, max_size=14).map("".join))
def test_words_made_of_names_never_break_it(text: str) -> None:
    place = where(text)
    assert place.reasons
    assert place.street is None or place.street in POLICY.units


@given(st.sampled_from(COMMUNITIES), st.sampled_from(["", "你好，", "急！", "南开区", "我们"]))
def test_a_full_register_name_always_resolves_to_itself(row: dict[str, str], before: str) -> None:
    place = where(f"{before}{row['name']}，楼道灯坏了")
    assert (place.certainty, place.community) == (EXACT, row["code"])


@pytest.mark.parametrize(
    "hostile",
    ["里", "一", "3", "园", "天津", "我们", "我住", "保山", "南开区", "宾水西道", "\ufdfa", "\x00"],
)
def test_a_hostile_text_is_read_in_linear_time(hostile: str) -> None:
    started = perf_counter()
    place = where((hostile * 4000)[:4000], hostile * 200)
    assert place.reasons
    assert perf_counter() - started < 1


def test_a_name_no_register_holds_is_told_to_a_person() -> None:
    assert names_unregistered(where("我们鸿福里是老楼区，楼道没人扫，5号楼6号楼当间儿垃圾堆老高"))
    assert not names_unregistered(where("路灯坏了好几天了"))
    assert not names_unregistered(where("保山南里3号楼"))
