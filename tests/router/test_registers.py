"""Importing the registers a district fills itself: good rows stand, bad ones say why."""

import os
import shutil
import timeit
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from unittest import mock

import pytest
import typer
from typer.testing import CliRunner, Result

from services.router.commands import add_commands
from services.router.domain.places.gazetteer import Gazetteer
from services.router.domain.places.resolver import resolve
from services.router.policy.imports import import_register
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Regime
from shared.settings import load_settings

HEADS = {
    "compounds": "name,community,street,regime,source",
    "enclaves": "name,class,street,facility_owner,source",
    "roads": "road,from,to,district,street,source",
    "landmarks": "name,kind,street,source,aliases",
    "crossings": "road_a,road_b,street,source",
    "outside": "name,kind,district,street",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICY_DIRECTORY, tmp_path / "policy"))


def run(*arguments: str, policy_dir: Path | None = None) -> Result:
    environment = {"HOTLINE_POLICY_DIR": str(policy_dir)} if policy_dir else {}
    cli = typer.Typer()
    add_commands(cli)
    with mock.patch.dict(os.environ, environment):
        load_settings.cache_clear()
        result = CliRunner().invoke(cli, arguments)
    load_settings.cache_clear()
    return result


def table(tmp_path: Path, register: str, *rows: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "名单.csv"
    file.write_text("\n".join((HEADS[register], *rows)) + "\n", encoding=encoding)
    return file


def imported(directory: Path, tmp_path: Path, register: str, *rows: str) -> Result:
    file = table(tmp_path, register, *rows)
    return run("registers", "import", register, str(file), "--policy", str(directory))


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_an_imported_compound_is_found_with_its_regime(directory: Path, tmp_path: Path) -> None:
    result = imported(
        directory, tmp_path, "compounds", "鸿福里,120104005001,wanxing,old_building,台账"
    )
    assert result.exit_code == 0, result.output
    assert "新增 1 行，替换 0 行，拒绝 0 行" in result.stdout
    policy = load_policy(directory)
    assert policy.version in result.stdout
    place = resolve(policy.gazetteer, "我们鸿福里是老楼区")
    assert (place.street, place.community) == ("wanxing", "120104005001")
    assert place.regime is Regime.OLD_BUILDING


def test_an_imported_enclave_gives_point_class_and_owner(directory: Path, tmp_path: Path) -> None:
    result = imported(directory, tmp_path, "enclaves", "老菜市口,城中村,wanxing,water,台账")
    assert result.exit_code == 0, result.output
    place = resolve(load_policy(directory).gazetteer, "老菜市口路面塌了")
    assert (place.point, place.enclave, place.facility_owner) == ("老菜市口", "城中村", "water")
    assert (place.street, place.certainty) == ("wanxing", Certainty.STREET)


def test_an_imported_range_of_numbers_decides_the_street(directory: Path, tmp_path: Path) -> None:
    result = imported(directory, tmp_path, "roads", "宾水西道,1,99,南开区,tiyu-zhongxin,台账")
    assert result.exit_code == 0, result.output
    gazetteer = load_policy(directory).gazetteer
    assert resolve(gazetteer, "宾水西道21号").street == "tiyu-zhongxin"
    assert resolve(gazetteer, "宾水西道393号").certainty is Certainty.OUTSIDE


BAD_ROWS = [
    ("compounds", "某某花园,,nowhere,,x", "未知的街道“nowhere”"),
    ("compounds", "某某花园,120104999999,wanxing,,x", "未知的社区代码"),
    ("compounds", "某某花园,120104005001,gulou,,x", "不在鼓楼街道"),
    ("compounds", "某某花园,,wanxing,老旧,x", "未知的管理模式"),
    ("compounds", ",,wanxing,,x", "“name”不能为空"),
    ("compounds", "园,,wanxing,,x", "两个字以上"),
    ("compounds", "某某花园,,wanxing,x", "应有5列，实有4列"),
    ("enclaves", "某处,城里村,wanxing,,x", "未知的飞地类别"),
    ("compounds", "=1+1里,,wanxing,,x", "不含空格和符号"),
    ("compounds", "坏\0里,,wanxing,,x", "不含空格和符号"),
    ("compounds", "1234,,wanxing,,x", "含汉字"),
    ("compounds", "“迎水里,,wanxing,,x", "不含空格和符号"),
    ("compounds", "迎水里,,wanxing,,x", "“迎水里”已是王顶堤街道的社区"),
    ("compounds", "公园里,,wanxing,,x", "“公园里”已是普通词语"),
    ("compounds", "跃升里,,wanxing,,x", "“跃升里”已是已划出南开区的社区"),
    ("compounds", "南开,,wanxing,,x", "“南开”已是区名"),
    ("enclaves", "长虹街道,城中村,wanxing,,x", "“长虹街道”已是街道"),
    ("compounds", '"坏二里,,wanxing,,x', "引号不成对"),
    ("compounds", f"坏二里,,wanxing,,{'x' * 200_000}", "内容过长"),
    ("enclaves", "某处,城中村,wanxing,nobody,x", "未知的单位“nobody”"),
    ("enclaves", "某处,城中村,nowhere,,x", "未知的街道"),
    ("roads", "宾水西道,395,401,南开区,wanxing,x", "与已登记的391—399号重叠"),
    ("roads", "某某道,9,1,南开区,wanxing,x", "大于"),
    ("roads", "某某道,一,9,南开区,wanxing,x", "“一”不是整数"),
    ("roads", "某某道,1,99999999999,南开区,wanxing,x", "不是整数"),
    ("roads", "某某道,1,9,,wanxing,x", "“district”不能为空"),
    ("roads", "某某道,1,9,南开区,nowhere,x", "未知的街道"),
]
GOOD_ROWS = {
    "compounds": "某某家园,,wanxing,managed,x",
    "enclaves": "某某洼,城中村,wanxing,,x",
    "roads": "某某路,1,9,南开区,wanxing,x",
}


@pytest.mark.parametrize(
    ("register", "row", "said", "street"),
    [
        ("landmarks", "某某商厦,mall,wanxing,台账,某厦", "某某商厦门口", "wanxing"),
        ("landmarks", "某某商厦,mall,wanxing,台账,某某厦|老商厦", "老商厦对面", "wanxing"),
        ("landmarks", "某某车站,metro,wanxing|xuefu,台账,", "某某车站A口", None),
        ("crossings", "甲乙路,丙丁道,huayuan,台账", "甲乙路和丙丁道交口", "huayuan"),
        ("crossings", "甲乙路,丙丁道,huayuan|xuefu,台账", "丙丁道跟甲乙路路口", None),
        ("roads", "甲乙路,,,南开区,huayuan,台账", "甲乙路上没有灯", None),
        ("outside", "某某水库,place,西青区,", "某某水库边上", None),
    ],
)
def test_every_kind_of_register_can_be_filled(
    directory: Path, tmp_path: Path, register: str, row: str, said: str, street: str | None
) -> None:
    before = resolve(load_policy(directory).gazetteer, said)
    assert before.certainty is Certainty.UNKNOWN
    done = imported(directory, tmp_path, register, row)
    assert done.exit_code == 0, done.output
    place = resolve(load_policy(directory).gazetteer, said)
    assert place.street == street
    assert place.certainty is not Certainty.UNKNOWN


@pytest.mark.parametrize(
    ("register", "row", "reason"),
    [
        ("landmarks", "某某商厦,mall,nowhere,x,", "未知的街道"),
        ("landmarks", "迎水里,mall,wanxing,x,", "已是王顶堤街道的社区"),
        ("landmarks", "某某商厦,mall,wanxing,x,=1+1", "不含空格和符号"),
        ("crossings", "甲乙路,甲乙路,wanxing,x", "两条不同的道路"),
        ("crossings", "甲乙路,丙丁道,,x", "“street”不能为空"),
        ("roads", "甲乙路,1,,南开区,wanxing,x", "“to”不能为空"),
        ("roads", "甲乙路,,,南开区,nowhere,x", "未知的街道"),
        ("outside", "某某水库,lake,西青区,", "未知的类别"),
        ("outside", "某某水库,place,南开区,", "本区的地点"),
    ],
)
def test_a_bad_row_of_any_register_is_refused_with_its_line(
    directory: Path, tmp_path: Path, register: str, row: str, reason: str
) -> None:
    before = files_of(directory)
    done = imported(directory, tmp_path, register, row)
    assert done.exit_code == 1
    assert "第2行" in done.stdout
    assert reason in done.stdout
    assert files_of(directory) == before


@pytest.mark.parametrize(("register", "row", "reason"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line_and_the_good_ones_stand(
    directory: Path, tmp_path: Path, register: str, row: str, reason: str
) -> None:
    result = imported(directory, tmp_path, register, row, GOOD_ROWS[register])
    assert result.exit_code == 1
    (refused,) = [line for line in result.stdout.splitlines() if line.startswith("名单.csv")]
    assert refused.startswith("名单.csv第2行：")
    assert reason in refused
    assert "新增 1 行，替换 0 行，拒绝 1 行" in result.stdout
    assert GOOD_ROWS[register] in (directory / f"{register}.csv").read_text(encoding="utf-8")


def test_imports_at_once_undo_nothing(directory: Path, tmp_path: Path) -> None:
    names = [f"某{chr(0x4E00 + n)}家园" for n in range(4)]
    files = []
    for name in names:
        (folder := tmp_path / name).mkdir()
        files.append(table(folder, "compounds", f"{name},,wanxing,,x"))
    with ThreadPoolExecutor(len(files)) as pool:
        done = [pool.submit(import_register, directory, "compounds", file) for file in files]
    assert [each.result().added for each in done] == [1] * len(files)
    content = (directory / "compounds.csv").read_text(encoding="utf-8")
    assert all(name in content for name in names)


def test_a_name_of_two_letters_counts_only_where_a_place_is_meant(
    directory: Path, tmp_path: Path
) -> None:
    imported(directory, tmp_path, "compounds", "电梯,,wanxing,,x", "雅苑,,gulou,,x")
    gazetteer = load_policy(directory).gazetteer
    assert resolve(gazetteer, "8号楼的电梯坏了").street is None
    assert resolve(gazetteer, "雅苑小区的电梯坏了").street == "gulou"


def test_many_names_that_begin_alike_are_found_as_fast_as_others(
    directory: Path, tmp_path: Path
) -> None:
    rows = [f"天津{chr(0x4E00 + n)}{chr(0x5E00 + n)}花园,,wanxing,,x" for n in range(4000)]
    imported(directory, tmp_path, "compounds", *rows)
    name = rows[0].partition(",")[0]
    words = "天津的天津人说天津话" * 20 + f"{name}停水"
    alike, shipped = load_policy(directory).gazetteer, load_policy(POLICY_DIRECTORY).gazetteer
    assert resolve(alike, words).street == "wanxing"

    def seconds(gazetteer: Gazetteer) -> float:
        return min(timeit.repeat(lambda: resolve(gazetteer, words), number=20, repeat=3))

    assert seconds(alike) < 5 * seconds(shipped)


@pytest.mark.parametrize("register", GOOD_ROWS)
def test_a_row_that_stands_twice_in_the_file_is_refused_once(
    directory: Path, tmp_path: Path, register: str
) -> None:
    result = imported(directory, tmp_path, register, GOOD_ROWS[register], GOOD_ROWS[register])
    assert result.exit_code == 1
    assert "第3行" in result.stdout
    assert "与第2行重复" in result.stdout


def test_ranges_of_one_file_may_not_overlap_each_other(directory: Path, tmp_path: Path) -> None:
    result = imported(
        directory,
        tmp_path,
        "roads",
        "某某道,1,50,南开区,wanxing,x",
        "某某道,50,99,南开区,gulou,x",
        "某某道,51,99,南开区,gulou,x",
    )
    assert result.exit_code == 1
    assert "名单.csv第3行：门牌号段与已登记的1—50号重叠" in result.stdout
    assert "新增 2 行" in result.stdout


def test_a_known_name_or_range_is_replaced(directory: Path, tmp_path: Path) -> None:
    result = imported(directory, tmp_path, "compounds", "禧顺花园,,jialingdao,managed,新台账")
    assert "新增 0 行，替换 1 行，拒绝 0 行" in result.stdout
    content = (directory / "compounds.csv").read_text(encoding="utf-8")
    assert content.count("禧顺花园") == 1
    result = imported(directory, tmp_path, "roads", "宾水西道,391,399,西青区,,新台账")
    assert "新增 0 行，替换 1 行，拒绝 0 行" in result.stdout
    assert "新台账" in (directory / "roads.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_what_a_spreadsheet_saves_is_read(directory: Path, tmp_path: Path, encoding: str) -> None:
    file = table(tmp_path, "compounds", GOOD_ROWS["compounds"], encoding=encoding)
    result = run("registers", "import", "compounds", str(file), policy_dir=directory)
    assert result.exit_code == 0, result.output
    assert resolve(load_policy(directory).gazetteer, "某某家园停水").regime is Regime.MANAGED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "不存在"),
        (b"\xff\xff\xff", "编码"),
        ("名称,街道\n".encode(), "表头应为name,community,street,regime,source"),
        (b"", "表头"),
    ],
)
def test_a_file_that_is_no_such_table_changes_nothing(
    directory: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "名单.csv"
    if content is not None:
        file.write_bytes(content)
    before = files_of(directory)
    result = run("registers", "import", "compounds", str(file), "--policy", str(directory))
    assert result.exit_code == 2
    assert reason in result.stderr
    assert files_of(directory) == before


def test_a_faulty_policy_is_not_touched(directory: Path, tmp_path: Path) -> None:
    (directory / "stems.csv").unlink()
    before = files_of(directory)
    result = imported(directory, tmp_path, "compounds", GOOD_ROWS["compounds"])
    assert (result.exit_code, "stems.csv：文件不存在" in result.stderr) == (2, True)
    assert files_of(directory) == before


def test_nothing_but_the_register_changes(directory: Path, tmp_path: Path) -> None:
    before = files_of(directory)
    imported(directory, tmp_path, "compounds", GOOD_ROWS["compounds"])
    after = files_of(directory)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["compounds.csv"]
    assert after["compounds.csv"].startswith(before["compounds.csv"])


def test_the_shipped_policy_is_not_edited_in_place(tmp_path: Path) -> None:
    file = str(table(tmp_path, "compounds", GOOD_ROWS["compounds"]))
    for named in ((), ("--policy", str(POLICY_DIRECTORY))):
        result = run("registers", "import", "compounds", file, *named)
        assert (result.exit_code, "HOTLINE_POLICY_DIR" in result.stderr) == (2, True)


def test_a_directory_is_checked_as_a_whole(directory: Path) -> None:
    result = run("registers", "check", str(directory))
    assert result.exit_code == 0
    assert load_policy(directory).version in result.stdout
    responsibility = directory / "responsibility.csv"
    with responsibility.open("a", encoding="utf-8") as file:
        file.write("grid.greening,,dispatch,nobody,,yes,no,1wd,,,,,x\n")
    line = responsibility.read_text(encoding="utf-8").count("\n")
    result = run("registers", "check", str(directory))
    assert result.exit_code == 2
    assert f"responsibility.csv第{line}行：未知的单位“nobody”" in result.stderr
    missing = run("registers", "check", str(directory / "nowhere"))
    assert (missing.exit_code, "文件不存在" in missing.stderr) == (2, True)


def test_an_imported_regime_moves_the_lead(directory: Path, tmp_path: Path) -> None:
    imported(directory, tmp_path, "compounds", "禧顺花园,,jialingdao,old_building,x")
    policy = load_policy(directory)
    place = resolve(policy.gazetteer, "禧顺花园屋顶漏雨")
    day = date(2026, 11, 23)
    leaf = "property.common_facility_repair"
    assert policy.responsible(leaf, day, place.regime).lead == "street"
