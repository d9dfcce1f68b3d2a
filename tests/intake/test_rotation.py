"""The vault gets a new key while intake goes on, and what was sealed with the old one moves."""

import secrets

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

import services.intake.commands
import services.intake.rotation
import shared.commands
from services.intake.commands import add_commands
from services.intake.erasing import tickets_of
from services.intake.rotation import rotate, sample_opens, sealed_by
from services.intake.service import INTAKE
from services.intake.tables import CallerVaultRow
from services.intake.vault import Vault
from shared.sealing import SealError
from shared.secrets import local_keys
from shared.service import command_line
from shared.settings import Settings
from tests.intake.office import Office, open_office

PHONE = "13652074418"
CALLER = {"name": "甘棠", "phone": PHONE}
NEW = secrets.token_hex(32)


def with_keys(settings: Settings, *keys: str) -> Settings:
    return settings.model_copy(update={"vault_key": SecretStr(" ".join(keys))})


def old_key(settings: Settings) -> str:
    return local_keys(settings.home, "vault", settings.vault_key)[0].hex()


def submitted(office: Office, count: int, **caller: object) -> list[str]:
    return [office.submit(text="漏水了", caller=CALLER | caller) for _ in range(count)]


def opens(office: Office, vault: Vault) -> bool:
    try:
        with office.running.runtime.database.reading() as reader:
            sample_opens(reader, vault, 1000)
    except SealError:
        return False
    return True


def test_everything_moves_to_the_new_key_and_callers_are_known_throughout(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.intake.rotation, "AT_ONCE", 2)
    both = with_keys(settings, NEW, old_key(settings))
    with open_office(settings) as office:
        numbers = submitted(office, 5)
        (hidden,) = submitted(office, 1, confidential=True)
        sheet = {"file": ("表.csv", "text\n下水道堵了\n".encode())}
        form = {"dry_run": "true"}
        answer = office.client.post("/api/imports", headers=office.header(), files=sheet, data=form)
        assert answer.status_code in (201, 202), answer.text
        only_new = Vault(with_keys(settings, NEW))
        vault = Vault(both)
        assert not opens(office, only_new)
        database = office.running.runtime.database
        steps = rotate(database, vault)
        assert next(steps) == 2  # and stops in the middle
    with open_office(both) as office:
        (later,) = submitted(office, 1)
        assert office.get(f"/tickets/{later}").json()["earlier"] == numbers[::-1]
        database = office.running.runtime.database
        assert list(rotate(database, vault))[-1] == 5  # the four left, and the sheet
        with database.reading() as reader:
            assert sealed_by(reader) == {vault.mark: 8}
            assert tickets_of(reader, only_new.fingerprints(PHONE)) == [*numbers, later]
            row = reader.get(CallerVaultRow, hidden)
            assert row is not None
            assert row.fingerprint is None
            assert only_new.open(hidden, row.sealed).phone == PHONE
        assert opens(office, only_new)
        assert list(rotate(database, vault))[-1] == 0
        monkeypatch.setattr(services.intake.rotation, "PIECES_AT_ONCE", 1)
        assert list(rotate(database, only_new))[-1] == 8, "with one key it ends too"
        assert list(rotate(database, only_new))[-1] == 0
        with database.reading() as reader:
            assert sealed_by(reader) == {only_new.mark: 8}


def test_what_no_key_opens_stops_the_run_and_stays(settings: Settings) -> None:
    with open_office(settings) as office:
        (number,) = submitted(office, 1)
        database = office.running.runtime.database
        with pytest.raises(SealError, match=number):
            list(rotate(database, Vault(with_keys(settings, NEW, secrets.token_hex(32)))))
        assert opens(office, Vault(settings))


def test_the_commands_say_what_is_done_and_what_a_missing_key_means(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(office, 3)
    cli = command_line(INTAKE)
    add_commands(cli)

    def ran(*keys: str, command: str) -> tuple[int, str]:
        for module in (services.intake.commands, shared.commands):
            monkeypatch.setattr(module, "load_settings", lambda: with_keys(office.settings, *keys))
        result = CliRunner().invoke(cli, ["vault", command])
        return result.exit_code, result.output

    old = old_key(office.settings)
    code, said = ran(NEW, command="status")
    assert (code, "打不开" in said, old in said) == (2, True, False)
    assert ran(NEW, command="rotate")[0] == 2
    code, said = ran(NEW, old, command="rotate")
    assert code == 0
    assert f"现用密钥 {Vault(with_keys(office.settings, NEW, old)).mark[1:].hex()}：" in said
    assert "全部可以打开" in said
    with office.running.runtime.database.writing() as writer:
        writer.execute(text("TRUNCATE caller_vault"))
