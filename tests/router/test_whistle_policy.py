"""What the table of whistle kinds holds, and how its faults are told."""

import shutil
from pathlib import Path

import pytest

from services.router.domain.policy import PolicyError
from services.router.policy.loading import POLICY_DIRECTORY
from services.router.policy.whistle_kinds import load_whistle_kinds
from shared.events import WhistleKind

KINDS = load_whistle_kinds(POLICY_DIRECTORY)
EMERGENCY, JOINT = WhistleKind.EMERGENCY, WhistleKind.JOINT_ENFORCEMENT
DEMAND, TASK = WhistleKind.PUBLIC_DEMAND, WhistleKind.KEY_TASK


@pytest.mark.parametrize(
    ("kind", "in_progress", "signer", "limits"),
    [
        (EMERGENCY, False, "街道值班领导", ["2h", "15min", "5min", "30min", "24h"]),
        (EMERGENCY, True, "街道值班领导", ["2h", "15min", "5min", "30min", "24h"]),
        (JOINT, False, "街道党工委书记", [None, "2h", "4wh", "1wd", "5wd"]),
        (JOINT, True, "街道党工委书记", [None, "2h", "2h", "2h", "5wd"]),
        (DEMAND, False, "街道分管副主任", [None, "2h", "4wh", "1wd", None]),
        (TASK, False, "街道党工委书记", [None, "2h", "1wd", "2wd", "10wd"]),
    ],
)
def test_each_kind_has_the_limits_of_the_handbook(
    kind: WhistleKind, in_progress: bool, signer: str, limits: list[str | None]
) -> None:
    terms = KINDS.terms(kind, in_progress=in_progress)
    assert (terms.kind, terms.signers) == (kind, (signer,))
    found = (terms.sign, terms.check, terms.acknowledge, terms.arrive, terms.handle)
    assert [limit and str(limit) for limit in found] == limits


@pytest.mark.parametrize("kind", WhistleKind)
def test_only_what_is_no_emergency_can_lack_something(kind: WhistleKind) -> None:
    mandatory = KINDS.terms(kind, in_progress=False).mandatory
    assert ("done_so_far" in mandatory) is (kind is not EMERGENCY)
    assert bool(mandatory) is (kind is not EMERGENCY)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("emergency,,", "red,,", 2, "未知的哨的类别“red”"),
        ("emergency,,街道值班领导", "emergency,,", 2, "“signers”不能为空"),
        ("emergency,,街道值班领导", "emergency,,|", 2, "“signers”不能为空"),
        ("街道值班领导,,2h", "街道值班领导,site,2h", 2, "不能有必填内容"),
        ("2h,15min", "2h,", 2, "须有核派时限"),
        ("5min,30min", ",30min", 2, "“acknowledge”不能为空"),
        ("5min,30min", "5min,", 2, "“arrive”不能为空"),
        ("5min,30min", "5min,0min", 2, "“0min”不能为零"),
        ("5min,30min", "5,30min", 2, "时限“5”应如"),
        ("15min", "soon", 2, "时限“soon”应如"),
        ("joint_enforcement,yes", "joint_enforcement,now", 3, "yes或no"),
        ("joint_enforcement,yes", "joint_enforcement,no", 4, "重复"),
        ("joint_enforcement,yes", "joint_enforcement,", 4, "重复"),
        ("site|done_so_far", "spot|done_so_far", 3, "未知的必填内容“spot”"),
        ("key_task,,", "public_demand,,", 6, "重复"),
        ("kind,", "Kind,", 1, "表头"),
    ],
)
def test_a_fault_has_its_line_and_a_sentence(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    content = (POLICY_DIRECTORY / "whistle_kinds.csv").read_text(encoding="utf-8")
    assert old in content
    (tmp_path / "whistle_kinds.csv").write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_whistle_kinds(tmp_path)
    assert (caught.value.file, caught.value.line) == ("whistle_kinds.csv", line)
    assert reason in caught.value.sentence


@pytest.mark.parametrize("gone", ["emergency,", "joint_enforcement,yes", "key_task"])
def test_every_kind_stands_in_the_table_for_both_cases(tmp_path: Path, gone: str) -> None:
    shutil.copy(POLICY_DIRECTORY / "whistle_kinds.csv", tmp_path)
    path = tmp_path / "whistle_kinds.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(gone)]
    path.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(PolicyError, match=gone.split(",")[0]):
        load_whistle_kinds(tmp_path)


def test_a_missing_table_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="文件不存在"):
        load_whistle_kinds(tmp_path)
