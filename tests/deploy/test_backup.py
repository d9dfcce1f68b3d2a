"""A backup made while tickets come in is taken back whole, on another home, with its keys."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

import deploy.backup
from deploy.backup import BackupError, check, cli, restore, save
from deploy.stack import Stack, settings_for
from shared.settings import Settings
from tests.conftest import public_home
from tests.integration.desk import Desk

CALLER = {"name": "李明华", "phone": "13920481937"}


@pytest.fixture(scope="module")
def saved() -> Iterator[tuple[Path, Path, list[str]]]:
    """A backup and its keys, and the tickets that had their case before it began."""
    with public_home() as home, public_home() as away, Stack(settings_for(home)) as stack:
        with Desk(stack) as desk:
            numbers = [desk.submit(f"保山南里{n}号楼路灯不亮", caller=CALLER) for n in range(1, 6)]
            for number in numbers:
                desk.settled(number)
            over = threading.Event()

            def calls() -> None:
                n = 10
                while not over.wait(0.05):
                    desk.submit(f"雅安东里{(n := n + 1)}号楼垃圾没人清")

            calling = threading.Thread(target=calls)
            calling.start()
            try:
                save(stack.settings, away / "backup", away / "keys")
            finally:
                over.set()
                calling.join()
            desk.settled(desk.submit("备份以后照常：翰园里电梯坏了"))
        yield away / "backup", away / "keys", numbers


@pytest.fixture
def fresh() -> Iterator[Settings]:
    with public_home() as home:
        yield settings_for(home)


def test_a_restored_home_runs_and_loses_nothing_that_was_on_its_way(
    saved: tuple[Path, Path, list[str]], fresh: Settings
) -> None:
    backup, keys, numbers = saved
    restore(fresh, backup, keys)
    assert "联系方式可以打开" in check(fresh)
    with Stack(fresh) as stack, Desk(stack) as desk:
        for number in numbers:
            assert desk.ticket(number)["case"] is not None
        listed = desk.ask("intake", "GET", "/tickets", params={"limit": 200}).json()["items"]
        assert {item["number"] for item in listed} >= set(numbers)
        for item in listed:
            desk.settled(item["number"], 30)
        newer = desk.submit("恢复以后照常：林苑东里楼道堆杂物", caller=CALLER)
        assert newer not in {item["number"] for item in listed}
        assert numbers[-1] in desk.ticket(newer)["earlier"]


def test_keys_of_another_home_are_found_before_anybody_needs_them(
    saved: tuple[Path, Path, list[str]], fresh: Settings
) -> None:
    with public_home() as other:
        (other / "secrets").mkdir()
        for name in ("vault", "jwt"):
            (other / "secrets" / name).write_text("5a" * 32)
        restore(fresh, saved[0], other)
        with pytest.raises(BackupError, match="密钥打不开"):
            check(fresh)


def test_the_keys_are_nowhere_in_the_backup(saved: tuple[Path, Path, list[str]]) -> None:
    backup, keys, _ = saved
    key = (keys / "secrets" / "vault").read_text().strip()
    holding = [p for p in backup.rglob("*") if p.is_file() and key.encode() in p.read_bytes()]
    assert holding == []


def test_nothing_is_written_over(saved: tuple[Path, Path, list[str]], fresh: Settings) -> None:
    backup, keys, _ = saved
    with pytest.raises(BackupError, match="不是空目录"):
        save(fresh, backup, keys.parent / "others")
    (fresh.home / "postgres").mkdir()
    with pytest.raises(BackupError, match="已有数据库"):
        restore(fresh, backup, keys)


def test_a_damaged_backup_is_refused(
    saved: tuple[Path, Path, list[str]], fresh: Settings, tmp_path: Path
) -> None:
    backup, keys, _ = saved
    with pytest.raises(BackupError, match="不是完整的备份"):
        restore(fresh, tmp_path, keys)
    victim = backup / "postgres" / "global" / "pg_control"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    try:
        with pytest.raises(BackupError, match="备份已损坏"):
            restore(fresh, backup, keys)
        assert not (fresh.home / "postgres").exists()
    finally:
        victim.write_bytes(whole)


def test_keys_beside_the_backup_and_another_server_are_refused(
    fresh: Settings, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="不得与备份放在一起"):
        save(fresh, tmp_path / "backup", tmp_path / "backup" / "keys")
    outside = fresh.model_copy(update={"database_url": SecretStr("postgresql://db/hotline")})
    with pytest.raises(BackupError, match="只管嵌入式"):
        save(outside, tmp_path / "backup", tmp_path / "keys")


def test_the_command_verifies_a_backup_without_touching_this_home(
    saved: tuple[Path, Path, list[str]], fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy.backup, "load_settings", lambda: fresh)
    backup, keys, _ = saved
    result = CliRunner().invoke(cli, ["verify", str(backup), "--keys", str(keys)])
    assert result.exit_code == 0, result.output
    assert "备份可用：工单" in result.output
    assert list(fresh.home.iterdir()) == []
    refused = CliRunner().invoke(cli, ["restore", str(keys), "--keys", str(keys)])
    assert refused.exit_code == 2
