"""Coordinates place a ticket only where boundaries are given and the words name no place."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.places.boundaries import Area, street_at
from services.router.domain.places.resolver import resolve
from services.router.domain.policy import PolicyError
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Location

SQUARE = [[117.0, 39.0], [117.2, 39.0], [117.2, 39.2], [117.0, 39.2], [117.0, 39.0]]
HOLE = [[117.05, 39.05], [117.1, 39.05], [117.1, 39.1], [117.05, 39.1], [117.05, 39.05]]
INSIDE, IN_THE_HOLE = Location(lat=39.15, lon=117.15), Location(lat=39.07, lon=117.07)
OUTSIDE = Location(lat=39.3, lon=117.1)
NO_PLACE = "路灯坏了好几天了"


def feature(street: str = "gulou", kind: str = "Polygon", rings: Any = None) -> dict[str, Any]:
    rings = [SQUARE, HOLE] if rings is None else rings
    return {"properties": {"street": street}, "geometry": {"type": kind, "coordinates": rings}}


def policy_with(directory: Path, content: Any) -> Path:
    shutil.copytree(POLICY_DIRECTORY, directory, dirs_exist_ok=True)
    words = content if isinstance(content, str) else json.dumps({"features": content})
    (directory / "boundaries.geojson").write_text(words, encoding="utf-8")
    return directory


@pytest.mark.parametrize(
    ("words", "location", "certainty", "street", "reason"),
    [
        (NO_PLACE, INSIDE, Certainty.STREET, "gulou", "按坐标"),
        (NO_PLACE, IN_THE_HOLE, Certainty.UNKNOWN, None, "不在任何一个街道"),
        (NO_PLACE, OUTSIDE, Certainty.UNKNOWN, None, "不在任何一个街道"),
        ("迎水里路灯坏了", INSIDE, Certainty.EXACT, "wangdingdi", "迎水里"),
        ("我们风荷停水了", INSIDE, Certainty.AMBIGUOUS, None, "风荷"),
        ("宾水西道393号门口烧烤", INSIDE, Certainty.OUTSIDE, None, "西青"),
        ("翡翠雅园小区3号楼停水", INSIDE, Certainty.UNKNOWN, None, "供人工定位参考"),
    ],
)
def test_words_go_before_coordinates(
    tmp_path: Path,
    words: str,
    location: Location,
    certainty: Certainty,
    street: str | None,
    reason: str,
) -> None:
    policy = load_policy(policy_with(tmp_path, [feature()]))
    place = resolve(policy.gazetteer, words, None, location, policy.boundaries)
    assert (place.certainty, place.street) == (certainty, street)
    assert reason in "；".join(place.reasons)


def test_without_boundaries_coordinates_prove_nothing() -> None:
    policy = load_policy(POLICY_DIRECTORY)
    place = resolve(policy.gazetteer, NO_PLACE, None, INSIDE, policy.boundaries)
    assert place.certainty is Certainty.UNKNOWN
    assert "没有街道边界数据" in place.reasons[-1]


def test_a_point_in_two_streets_is_in_none() -> None:
    ring = tuple((lon, lat) for lon, lat in SQUARE)
    both = (Area.of("gulou", [ring]), Area.of("xuefu", [ring]))
    assert street_at(both[:1], INSIDE) == "gulou"
    assert street_at(both, INSIDE) is None


@given(lat=st.floats(38.9, 39.3), lon=st.floats(116.9, 117.3))
def test_a_square_holds_what_lies_between_its_sides(lat: float, lon: float) -> None:
    square = Area.of("gulou", [tuple((x, y) for x, y in SQUARE)])
    between = 117.0 <= lon < 117.2 and 39.0 <= lat < 39.2
    assert square.holds(Location(lat=lat, lon=lon)) is between


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "不是GeoJSON"),
        ("[]", "不是GeoJSON"),
        ([feature("nowhere")], "第1个要素：未知的街道"),
        ([feature(), feature(kind="Point")], "第2个要素：只接受"),
        ([feature(rings=[SQUARE[:-1]])], "未闭合"),
        ([feature(rings=[[[lat, lon] for lon, lat in SQUARE]])], "超出范围"),
        ([feature(rings=[["x", "y"]])], "第1个要素"),
        ([{"properties": {}}], "格式有误"),
        ([None], "格式有误"),
    ],
)
def test_faulty_boundaries_are_refused_with_their_reason(
    tmp_path: Path, content: Any, reason: str
) -> None:
    with pytest.raises(PolicyError, match=reason):
        load_policy(policy_with(tmp_path, content))


def test_changed_boundaries_are_another_policy(tmp_path: Path) -> None:
    policy = load_policy(policy_with(tmp_path, [feature()]))
    assert policy.version != load_policy(POLICY_DIRECTORY).version
