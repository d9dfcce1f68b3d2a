"""A person is erased on request and when the term is over, and only what has ended."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

import services.intake.commands
import shared.commands
from services.intake.commands import add_commands
from services.intake.erasing import POLICY, erase_on_request, forgetting
from services.intake.service import INTAKE
from shared.erasing import ERASED
from shared.retention import Kept, load_terms
from shared.roles import Role
from shared.service import command_line
from tests.intake.office import Office, classification, message

TERMS = load_terms(None)
MARK = "甘棠"
"""Stands in everything the caller said and nowhere else."""


def spoken(office: Office, phone: str = "13920481937") -> str:
    """A ticket of which much was said."""
    caller = {"name": "李明华", "phone": phone}
    number = office.submit(
        text=f"{MARK}：迎水里3号楼漏水", address=f"迎水里{MARK}处", caller=caller
    )
    office.tell(message(classification(number, reasons=(f"{MARK}漏水",)), number))
    for command, body in (
        ("amendments", {"text": f"{MARK}又来电", "address": f"迎水里{MARK}"}),
        ("urges", {"note": f"{MARK}在催"}),
    ):
        assert office.post(f"/tickets/{number}/{command}", body).status_code == 201
    return number


def ended(office: Office, number: str) -> str:
    body = {"reason": "withdrawn", "note": f"{MARK}说不用了"}
    assert office.post(f"/tickets/{number}/close", body).status_code == 201
    return number


def aged(office: Office, number: str, age: timedelta) -> None:
    with office.running.runtime.database.writing() as writer:
        for statement in (
            "UPDATE ticket SET received_at = received_at - CAST(:age AS interval)"
            " WHERE number = :n",
            "UPDATE timeline SET at = at - CAST(:age AS interval) WHERE number = :n",
        ):
            writer.execute(text(statement), {"age": age, "n": number})


def remains(office: Office, number: str) -> set[str]:
    """The tables in which something the caller said of a ticket still stands."""
    found = set()
    for (table,) in office.rows(
        "SELECT CAST(c.oid AS regclass)::text FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
    ):
        query = f"SELECT count(*) FROM {table} t WHERE CAST(t AS text) LIKE :n AND"  # noqa: S608
        like = f"{query} CAST(t AS text) LIKE :mark"
        if office.rows(like, n=f"%{number}%", mark=f"%{MARK}%")[0][0]:
            found.add(table)
    return found - {"outbox"}


def vault(office: Office, number: str) -> int:
    query = "SELECT count(*) FROM caller_vault WHERE number = :n"
    count: int = office.rows(query, n=number)[0][0]
    return count


def test_on_request_nothing_a_person_said_remains_and_it_is_on_record(office: Office) -> None:
    number = ended(office, spoken(office))
    assert {"ticket", "timeline"} <= remains(office, number)
    now = datetime.now(UTC)
    database = office.running.runtime.database
    done = erase_on_request(database, [number], "王工", "申请2026-17", now)
    assert (done.erased, done.open) == ([number], [])
    assert remains(office, number) == set()
    assert vault(office, number) == 0
    seen = office.get(f"/tickets/{number}", Role.SUPERVISOR).json()
    assert (seen["text"], seen["address"], seen["status"]) == (ERASED, None, "closed")
    assert seen["classification"]["reasons"] == []
    assert office.rows(
        "SELECT by_, reason, what, numbers FROM erasure ORDER BY id DESC LIMIT 1"
    ) == [("王工", "申请2026-17", "all", [number])]
    assert any('"number":"' + number in said for said in office.published(number)[-1:])


def test_what_has_not_ended_stays_and_a_second_request_changes_nothing(office: Office) -> None:
    number = spoken(office)
    database = office.running.runtime.database
    now = datetime.now(UTC)
    assert erase_on_request(database, [number], "王工", "申请", now).open == [number]
    assert vault(office, number) == 1
    ended(office, number)
    assert erase_on_request(database, [number], "王工", "申请", now).erased == [number]
    assert erase_on_request(database, [number], "王工", "申请", now).erased == []


@pytest.mark.parametrize(
    ("age", "contact", "words"),
    [
        (TERMS[Kept.CONTACTS] - timedelta(days=1), True, True),
        (TERMS[Kept.CONTACTS] + timedelta(days=1), False, True),
        (TERMS[Kept.TEXTS] + timedelta(days=1), False, False),
    ],
)
def test_policy_erases_first_the_contact_then_the_words(
    office: Office, age: timedelta, contact: bool, words: bool
) -> None:
    number = ended(office, spoken(office, f"1382000{age.days:04d}"))
    going_on = spoken(office, f"1371000{age.days:04d}")
    for one in (number, going_on):
        aged(office, one, age)
    step = forgetting(office.running.runtime.database, TERMS)
    while step():
        pass
    assert vault(office, number) == contact
    assert (remains(office, number) != set()) == words, remains(office, number)
    assert (vault(office, going_on), bool(remains(office, going_on))) == (1, True)
    by = office.rows("SELECT what, by_ FROM erasure WHERE numbers @> ARRAY[:n]", n=number)
    assert {name for _, name in by} == (set() if contact else {POLICY})


def test_the_command_erases_all_of_a_phone_and_lists_what_was_erased(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (services.intake.commands, shared.commands):
        monkeypatch.setattr(module, "load_settings", lambda: office.settings)
    cli = command_line(INTAKE)
    add_commands(cli)
    caller = {"name": "甘棠", "phone": "13652074418"}
    both = [office.submit(text="漏水了", caller=caller) for _ in range(2)]
    ended(office, both[0])
    result = CliRunner().invoke(cli, ["erase", "--phone", "136 5207 4418", "--reason", "申请18"])
    assert result.exit_code == 1
    assert f"{both[0]}  已删除" in result.output
    assert f"{both[1]}  没有删除" in result.output
    shown = CliRunner().invoke(cli, ["erasures", "--last", "1"]).output
    assert "申请18  联系方式、原话和全部文字  1 件" in shown
    assert CliRunner().invoke(cli, ["erase", "--reason", "申请"]).exit_code == 2
