"""A policy directory is checked whole: every fault has its file, its line and a sentence."""

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest

from services.router.domain.policy import STREET, PolicyError
from services.router.policy.files import Row
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import CalendarName, ClockKind, Disposition, Priority, Regime
from shared.taxonomy import load_taxonomy

POLICY = load_policy(POLICY_DIRECTORY)
LEAVES = tuple(load_taxonomy())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICY_DIRECTORY, tmp_path / "policy"))


def edit(directory: Path, file: str, old: str, new: str) -> None:
    path = directory / file
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


def append(directory: Path, file: str, row: str) -> int:
    path = directory / file
    content = path.read_text(encoding="utf-8") + row + "\n"
    path.write_text(content, encoding="utf-8")
    return content.count("\n")


def fault(directory: Path) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        load_policy(directory)
    assert caught.value.sentence.startswith(caught.value.file)
    assert caught.value.reason in caught.value.sentence
    return caught.value


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("day", [date.min, date(2021, 6, 1), date(2026, 11, 23), date.max])
def test_every_leaf_has_somebody_responsible_on_every_day(leaf: str, day: date) -> None:
    row = POLICY.responsible(leaf, day)
    assert row.lead == STREET or row.lead in POLICY.units
    assert set(row.assist) <= {STREET, *POLICY.units}


def test_the_limits_run_on_the_calendar_of_their_unit() -> None:
    row = POLICY.responsible("property.common_facility_repair", date(2026, 1, 1))
    assert [(kind, str(limit), limit.calendar) for kind, limit in row.limits] == [
        (ClockKind.ACCEPT, "1wd", CalendarName.WORKING),
        (ClockKind.CONTACT, "1wd", CalendarName.WORKING),
        (ClockKind.RESOLVE, "15cd", CalendarName.ALWAYS),
    ]
    gas = POLICY.responsible("safety.gas_leak", date(2026, 1, 1))
    assert {limit.calendar for _, limit in gas.limits} == {CalendarName.ALWAYS}


def test_danger_is_accepted_in_fifteen_minutes() -> None:
    assert set(POLICY.urgent_accept) == {Priority.P0, Priority.P1}
    assert {str(limit) for limit in POLICY.urgent_accept.values()} == {"15min"}


def test_the_redirected_and_the_invalid_are_said_by_the_table() -> None:
    day = date(2026, 1, 1)
    redirected = POLICY.responsible("other.non_jurisdiction", day)
    assert redirected.disposition is Disposition.REDIRECT_OUT
    invalid = POLICY.responsible("other.invalid_abusive", day)
    assert invalid.disposition is Disposition.MANUAL_DISPATCH
    assert ClockKind.RESOLVE in dict(invalid.limits)


def test_an_unknown_leaf_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="未知的事项"):
        POLICY.responsible("grid.nothing", date(2026, 1, 1))


def test_the_version_changes_with_the_content_and_only_with_it(directory: Path) -> None:
    assert load_policy(directory).version == POLICY.version
    assert len(POLICY.version) == 12
    append(directory, "ordinary_words.csv", "迎水面,词语")
    assert load_policy(directory).version != POLICY.version


ROW = ",dispatch,housing,street,yes,no,1wd,1wd,5wd"
LINE = "property.property_service,,dispatch,housing,street,yes,no,1wd,1wd,5wd,,,"
OLD = "property.property_service,old_building,dispatch,street,housing,yes,no,1wd,1wd,5wd"


def test_a_change_of_responsibility_holds_from_its_first_day(directory: Path) -> None:
    later = f"property.property_service,{ROW.replace('housing', 'civil-affairs')},2027-01-01,,x"
    edit(directory, "responsibility.csv", LINE, f"{LINE[:-1]}2026-12-31,")
    append(directory, "responsibility.csv", later)
    policy = load_policy(directory)
    leads = [
        policy.responsible("property.property_service", day).lead
        for day in (date(2020, 1, 1), date(2026, 12, 31), date(2027, 1, 1), date(2099, 1, 1))
    ]
    assert leads == ["housing", "housing", "civil-affairs", "civil-affairs"]


@pytest.mark.parametrize(
    ("first_to", "then_from", "then_to", "reason"),
    [
        ("2026-12-31", "2027-01-02", "", "空档"),
        ("2026-12-31", "2026-12-31", "", "重叠"),
        ("2026-12-31", "2026-06-01", "", "重叠"),
        ("", "2027-01-01", "", "重叠"),
        ("2026-12-31", "2027-01-01", "2027-12-31", "之后没有规定"),
        ("2026-12-31", "2028-01-01", "2027-12-31", "晚于"),
        ("2026-13-01", "2027-01-01", "", "YYYY-MM-DD"),
        ("2026-12-31", "", "", "重叠"),
    ],
)
def test_a_gap_or_an_overlap_of_validity_is_refused(
    directory: Path, first_to: str, then_from: str, then_to: str, reason: str
) -> None:
    edit(directory, "responsibility.csv", LINE, f"{LINE[:-1]}{first_to},")
    append(
        directory,
        "responsibility.csv",
        f"property.property_service,{ROW},{then_from},{then_to},x",
    )
    error = fault(directory)
    assert error.file == "responsibility.csv"
    assert error.line > 1
    assert reason in error.reason


def test_a_leaf_that_starts_late_or_is_missing_is_refused(directory: Path) -> None:
    edit(directory, "responsibility.csv", LINE, f"{LINE[:-2]}2026-01-01,,")
    assert "之前没有规定" in fault(directory).reason
    content = (POLICY_DIRECTORY / "responsibility.csv").read_text(encoding="utf-8")
    kept = [line for line in content.splitlines() if "property_service" not in line]
    (directory / "responsibility.csv").write_text("\n".join(kept), encoding="utf-8")
    assert "property.property_service" in fault(directory).reason


def test_the_row_of_a_regime_goes_before_the_general_one() -> None:
    day = date(2026, 11, 23)
    service = "property.property_service"
    assert POLICY.responsible(service, day).lead == "housing"
    assert POLICY.responsible(service, day, Regime.MANAGED).lead == "housing"
    assert POLICY.responsible(service, day, Regime.OLD_BUILDING).lead == STREET


def test_before_and_after_the_rows_of_a_regime_the_general_one_holds(directory: Path) -> None:
    edit(directory, "responsibility.csv", "property.property_service,old_building", "#")
    content = (directory / "responsibility.csv").read_text(encoding="utf-8")
    kept = [line for line in content.splitlines() if not line.startswith("#")]
    row = f"{OLD},2027-01-01,2027-12-31,x"
    (directory / "responsibility.csv").write_text("\n".join([*kept, row]), encoding="utf-8")
    policy = load_policy(directory)
    leads = [
        policy.responsible("property.property_service", day, Regime.OLD_BUILDING).lead
        for day in (date(2026, 12, 31), date(2027, 1, 1), date(2027, 12, 31), date(2028, 1, 1))
    ]
    assert leads == ["housing", STREET, STREET, "housing"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (("2026-01-01,2026-12-31", "2026-12-31,"), "重叠"),
        (("2026-01-01,2026-12-31", "2027-01-02,"), "空档"),
        ((",", "2027-01-01,"), "重叠"),
    ],
)
def test_a_regime_has_its_own_gaps_and_overlaps(
    directory: Path, rows: tuple[str, ...], reason: str
) -> None:
    for validity in rows:
        line = append(
            directory,
            "responsibility.csv",
            f"grid.greening,managed,dispatch,street,,yes,yes,1wd,,5wd,{validity},x",
        )
    error = fault(directory)
    assert (error.line, reason in error.reason) == (line, True), error.sentence


def test_a_unit_must_be_there_as_long_as_a_row_needs_it(directory: Path) -> None:
    edit(
        directory,
        "units.csv",
        "housing,区住房和建设委员会,department,,,",
        "housing,区住房和建设委员会,department,,,2027-12-31",
    )
    assert "“housing”在此期间无效" in fault(directory).reason


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("responsibility.csv", "dispatch,housing,street", "dispatch,hausing,street", "未知的单位"),
        ("responsibility.csv", "property_service,old_building", "property_service,old", "管理模式"),
        ("responsibility.csv", "yes,yes,1wd", "yes,maybe,1wd", "yes或no"),
        ("responsibility.csv", "|traffic-police", "|trafic-police", "未知的单位"),
        ("responsibility.csv", "grid.greening", "grid.gardening", "未知的事项"),
        ("responsibility.csv", "1wd,4h,3wd", "1wd,4hours,3wd", "时限"),
        ("responsibility.csv", "1wd,4h,3wd", "1wd,-4h,3wd", "时限"),
        ("responsibility.csv", "housing,street,yes", "housing,housing,yes", "重复"),
        ("responsibility.csv", "street,housing,yes", "street,housing,no", "needs_place"),
        ("responsibility.csv", "housing,street,yes", "housing,street,perhaps", "yes或no"),
        ("responsibility.csv", "greening,,dispatch", "greening,,awaiting_info", "处置方式"),
        ("responsibility.csv", "leaf,", "Leaf,", "表头"),
        ("units.csv", "grid-centre,", "grid-center,", "grid-centre"),
        ("units.csv", "wanxing,万兴街道,street", "street,万兴街道,street", "保留字"),
        ("units.csv", "gulou,鼓楼街道", "wanxing,鼓楼街道", "重复"),
        ("units.csv", "鼓楼街道,street", "鼓楼街道,sreet", "单位类别"),
        ("urgent_limits.csv", "P0,15min", "P0,15", "时限"),
        ("urgent_limits.csv", "P0,15min", "P9,15min", "优先级"),
        ("urgent_limits.csv", "P1,15min", "P0,15min", "重复"),
        ("communities.csv", "120104001003", "120104001001", "重复"),
        ("communities.csv", "120104001003", "12010400100", "12位"),
        ("communities.csv", "居委会,changhong", "居委会,chonghang", "未知的街道"),
        ("communities.csv", "changhong,no", "changhong,maybe", "alone"),
        ("old_names.csv", "芙蓉南里,120104001017", "芙蓉南里,120104001999", "社区代码"),
        ("old_names.csv", "120104001017,changhong", "120104001017,gulou", "不在鼓楼街道"),
        ("stems.csv", "林苑东里|", "林苑中里|", "未知的地名"),
        ("stems.csv", "林苑东里|林苑西里|林苑北里", "", "不能为空"),
        ("roads.csv", "391,399", "399,391", "大于"),
        ("roads.csv", "391,399", "391,", "不能为空"),
        ("roads.csv", "391,399", "391,x", "整数"),
        ("outside_places.csv", "劝业场街道,street", "劝业场街道,stret", "类别"),
        ("lookalikes.csv", "王丁提,", "王顶提,", "重复"),
        ("transferred.csv", "官易里,120104007019,xiangyanglu", "官易里,1,xiangyang", "街道"),
    ],
)
def test_a_faulty_row_is_refused(
    directory: Path, file: str, old: str, new: str, reason: str
) -> None:
    edit(directory, file, old, new)
    error = fault(directory)
    assert (error.file, reason in error.reason) == (file, True), error.sentence


@pytest.mark.parametrize(
    ("file", "row", "reason"),
    [
        ("compounds.csv", "禧顺花园,,jialingdao,,又一份报道", "重复"),
        ("compounds.csv", "某某花园,,nowhere,,报道", "未知的街道"),
        ("compounds.csv", "某某花园,,wanxing", "应有5列"),
        ("compounds.csv", "某某花园,,wanxing,new,报道", "未知的管理模式"),
        ("compounds.csv", "某某 花园,,wanxing,,报道", "不含空格"),
        ("compounds.csv", "某某花园,120104005001,gulou,,报道", "不在鼓楼街道"),
        ("enclaves.csv", "某处,城中村,nowhere,,x", "未知的街道"),
        ("enclaves.csv", "某处,城里村,wanxing,,x", "飞地类别"),
        ("enclaves.csv", "某处,城中村,wanxing,nobody,x", "未知的单位"),
        ("roads.csv", "宾水西道,395,401,南开区,wanxing,x", "重叠"),
        ("flag_words.csv", "collective,联名,x", "重复"),
        ("flag_words.csv", "crowd,联名,x", "未知的标记"),
        ("flag_words.csv", "collective,…联名,x", "须有文字"),
        ("flag_words.csv", "collective,#,x", "须有文字"),
        ("ordinary_words.csv", "大观园里,再一次", "重复"),
    ],
)
def test_a_fault_names_its_line(directory: Path, file: str, row: str, reason: str) -> None:
    line = append(directory, file, row)
    error = fault(directory)
    assert (error.file, error.line) == (file, line)
    assert reason in error.reason
    assert f"{file}第{line}行" in error.sentence


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_table_is_read_as_a_spreadsheet_saves_it(directory: Path, encoding: str) -> None:
    for table in ("responsibility.csv", "communities.csv"):
        content = (directory / table).read_text(encoding="utf-8")
        (directory / table).write_bytes(content.replace("\n", "\r\n").encode(encoding))
    assert load_policy(directory).responsibility == load_policy(POLICY_DIRECTORY).responsibility


@pytest.mark.parametrize("written", ["2021-01-01", "2021/1/1", "2021-1-1", "2021.01.01"])
def test_a_date_is_read_as_a_spreadsheet_writes_it(written: str) -> None:
    assert Row("units.csv", 2, {"valid_from": written}).day("valid_from") == date(2021, 1, 1)


@pytest.mark.parametrize("damaged", ["1.20104E+08", "12010400", "120104002", ""])
def test_a_code_that_a_spreadsheet_has_spoilt_is_refused(directory: Path, damaged: str) -> None:
    units = (directory / "units.csv").read_text(encoding="utf-8")
    first = units.split("\n")[1].split(",")
    spoilt = units.replace(",".join(first), ",".join([*first[:3], damaged, *first[4:]]))
    (directory / "units.csv").write_text(spoilt, encoding="utf-8")
    assert fault(directory).file == "units.csv"


def test_a_missing_or_unreadable_file_is_refused(directory: Path) -> None:
    (directory / "stems.csv").write_bytes(b"\xff\xff\xff")
    assert "UTF-8" in fault(directory).reason
    (directory / "stems.csv").unlink()
    assert fault(directory).sentence == "stems.csv：文件不存在"


def test_registers_can_grow(directory: Path) -> None:
    append(directory, "enclaves.csv", "老菜市口,城中村,wanxing,housing,x")
    append(directory, "roads.csv", "宾水西道,1,99,南开区,tiyu-zhongxin,x")
    gazetteer = load_policy(directory).gazetteer
    entry = gazetteer.mentions("老菜市口停水")[0].entries[0]
    assert entry.street == "wanxing"
    assert gazetteer.roads["宾水西道"][1].street == "tiyu-zhongxin"


def test_the_tables_are_plain_utf8_with_a_header() -> None:
    for path in POLICY_DIRECTORY.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            assert len(next(csv.reader(file))) > 1
