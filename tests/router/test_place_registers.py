"""What compounds and enclave points add to a place: the regime, the point and its owner."""

import shutil
from collections.abc import Callable

import pytest

from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Place, Regime

OLD, MANAGED = Regime.OLD_BUILDING, Regime.MANAGED
COMPOUNDS = """\
name,community,street,regime,source
迎水里,,wangdingdi,old_building,x
金福花园,120104005001,wanxing,managed,x
金福里,,wanxing,old_building,x
富力家园,120104005001,wanxing,,x
老菜市口,,wanxing,managed,x
"""
ENCLAVES = """\
name,class,street,facility_owner,source
老菜市口,责任不清地带,wanxing,water,x
王顶堤洼,城中村,wangdingdi,,x
鹤园北里,接壤的插花地,wangdingdi,power,x
"""
Resolver = Callable[..., Place]


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    directory = tmp_path_factory.mktemp("filled") / "policy"
    shutil.copytree(POLICY_DIRECTORY, directory)
    (directory / "compounds.csv").write_text(COMPOUNDS, encoding="utf-8")
    (directory / "enclaves.csv").write_text(ENCLAVES, encoding="utf-8")
    gazetteer = load_policy(directory).gazetteer
    return lambda text, address=None: resolve(gazetteer, text, address)


@pytest.mark.parametrize(
    ("text", "regime"),
    [
        ("迎水里3号楼漏水", OLD),
        ("营水里3号楼漏水", OLD),
        ("迎水小区漏水", OLD),
        ("金福花园漏水", MANAGED),
        ("金福里漏水", OLD),
        ("金福小区漏水", None),
        ("富力家园漏水", None),
        ("迎水里、鹤园北里都漏水", OLD),
        ("金福花园和金福里都漏水", None),
        ("王顶堤街道有人漏水", None),
        ("和平区迎水里漏水", None),
        ("漏水", None),
    ],
)
def test_the_regime_is_that_of_the_compound_that_is_named(
    where: Resolver, text: str, regime: Regime | None
) -> None:
    assert where(text).regime is regime


def test_a_compound_named_like_a_community_is_that_community(where: Resolver) -> None:
    place = where("迎水里3号楼漏水")
    assert (place.certainty, place.community) == (Certainty.EXACT, "120104009015")


@pytest.mark.parametrize(
    ("text", "point", "enclave", "owner"),
    [
        ("老菜市口路面塌了", "老菜市口", "责任不清地带", "water"),
        ("王顶堤洼路灯不亮", "王顶堤洼", "城中村", None),
        ("鹤园北里井盖没了", "鹤园北里", "接壤的插花地", "power"),
        ("鹤园北里和王顶堤洼井盖没了", None, None, None),
        ("迎水里井盖没了", None, None, None),
    ],
)
def test_a_point_brings_its_class_and_the_owner_of_its_facilities(
    where: Resolver, text: str, point: str | None, enclave: str | None, owner: str | None
) -> None:
    place = where(text)
    assert (place.point, place.enclave, place.facility_owner) == (point, enclave, owner)


def test_one_name_may_stand_in_both_registers(where: Resolver) -> None:
    place = where("老菜市口路面塌了")
    assert (place.street, place.certainty) == ("wanxing", Certainty.STREET)
    assert (place.regime, place.facility_owner) == (MANAGED, "water")


def test_the_address_brings_them_too(where: Resolver) -> None:
    place = where("路面塌了", "老菜市口")
    assert (place.regime, place.point) == (MANAGED, "老菜市口")
