"""Who may sign in, how often they may err, and when a session is over."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from services.desk import words
from services.desk.accounts import (
    IDLE,
    SHIFT,
    AccountError,
    add_account,
    change_password,
    disable,
    reset_password,
    sign_in,
    sign_out,
    visitor_of,
)
from services.desk.forms import CASE_FORMS, WHISTLE_FORMS
from services.router.domain.cases.states import Command
from services.router.http.cases import BODIES
from services.router.http.whistles import BODIES as WHISTLE_BODIES
from shared.database import Database, migrate
from shared.events import (
    CaseFact,
    CaseState,
    Certainty,
    ClockKind,
    Disposition,
    Priority,
    WhistleFact,
    WhistleKind,
    WhistleState,
)
from shared.names import CLOCK_NAMES
from shared.postgres import database_url
from shared.roles import Role
from shared.settings import Settings

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIRST, NEXT = "first password", "next password"


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    migrate(settings, "desk")
    database = Database(database_url(settings, "desk"))
    with database.writing() as writer:
        add_account(writer, "李芳", Role.OPERATOR, None, FIRST, NOW)
    yield database
    database.close()


def entered(database: Database, password: str = FIRST, now: datetime = NOW) -> str | None:
    opened = sign_in(database, "李芳", password, now)
    return opened[1] if opened else None


def test_a_first_password_is_changed_before_anything_else(database: Database) -> None:
    cookie = entered(database)
    assert cookie is not None
    other = entered(database)
    assert other is not None
    with database.writing() as writer:
        visitor = visitor_of(writer, cookie, NOW, active=True)
        assert visitor is not None
        assert visitor.must_change
        change_password(writer, "李芳", visitor.key, FIRST, NEXT, NOW)
    with database.writing() as writer:
        changed = visitor_of(writer, cookie, NOW, active=True)
        assert changed is not None
        assert not changed.must_change
        assert visitor_of(writer, other, NOW, active=True) is None, "other sessions end"
    assert entered(database) is None
    assert entered(database, NEXT) is not None


def test_a_session_ends_when_it_is_idle_and_after_a_shift(database: Database) -> None:
    cookie = entered(database)
    assert cookie is not None
    with database.writing() as writer:
        at = NOW
        while at < NOW + SHIFT:
            assert visitor_of(writer, cookie, at, active=True) is not None
            at += IDLE - timedelta(minutes=1)
        assert visitor_of(writer, cookie, NOW + SHIFT, active=True) is None
    idle = entered(database)
    assert idle is not None
    with database.writing() as writer:
        for minutes in (10, 20, 29):
            later = NOW + timedelta(minutes=minutes)
            assert visitor_of(writer, idle, later, active=False) is not None
        assert visitor_of(writer, idle, NOW + IDLE, active=False) is None, (
            "a stream prolongs nothing"
        )


def test_who_is_disabled_or_signed_out_is_out(database: Database) -> None:
    first, second = entered(database), entered(database)
    assert first is not None
    assert second is not None
    with database.writing() as writer:
        visitor = visitor_of(writer, first, NOW, active=True)
        assert visitor is not None
        sign_out(writer, visitor.key)
        assert visitor_of(writer, first, NOW, active=True) is None
        assert visitor_of(writer, second, NOW, active=True) is not None
        disable(writer, "李芳")
        assert visitor_of(writer, second, NOW, active=True) is None
    assert entered(database) is None


def test_a_reset_password_has_to_be_changed_again(database: Database) -> None:
    cookie = entered(database)
    assert cookie is not None
    with database.writing() as writer:
        reset_password(writer, "李芳", NEXT)
        assert visitor_of(writer, cookie, NOW, active=True) is None
    assert entered(database, NEXT) is not None


def test_only_hashes_are_kept(database: Database) -> None:
    cookie = entered(database)
    assert cookie is not None
    with database.engine.connect() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM account").all())
        rows += repr(connection.exec_driver_sql("SELECT * FROM session").all())
    assert FIRST not in rows
    assert cookie not in rows
    assert "argon2id" in rows


@pytest.mark.parametrize(
    ("name", "role", "unit", "password"),
    [
        ("李芳", Role.OPERATOR, None, FIRST),
        ("", Role.OPERATOR, None, FIRST),
        ("a\nb", Role.OPERATOR, None, FIRST),
        ("王丽", Role.UNIT, None, FIRST),
        ("王丽", Role.OPERATOR, "market", FIRST),
        ("王丽", Role.UNIT, "Market Street", FIRST),
        ("程序", Role.SYSTEM, None, FIRST),
        ("王丽", Role.OPERATOR, None, "short"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    database: Database, name: str, role: Role, unit: str | None, password: str
) -> None:
    with database.writing() as writer, pytest.raises(AccountError):
        add_account(writer, name, role, unit, password, NOW)


def test_every_command_that_a_person_gives_has_a_form() -> None:
    others = {Command.RECLASSIFY, Command.RELOCATE, Command.RESTRICT, Command.UPHOLD}
    assert {form.command for form in CASE_FORMS} == {*BODIES, *others}
    assert {form.command for form in WHISTLE_FORMS} == {*WHISTLE_BODIES} - {"amend"}


@pytest.mark.parametrize(
    ("said", "there_are"),
    [
        (words.STATES, CaseState),
        (words.WHISTLE_STATES, WhistleState),
        (words.WHISTLE_KINDS, WhistleKind),
        (words.CERTAINTIES, Certainty),
        (CLOCK_NAMES, ClockKind),
        (words.DISPOSITIONS, Disposition),
        (words.PRIORITIES, Priority),
        (words.HAPPENINGS, CaseFact),
        (words.HAPPENINGS, WhistleFact),
    ],
)
def test_there_is_a_word_for_everything(
    said: Mapping[str, str], there_are: type[CaseState]
) -> None:
    assert [one for one in there_are if one not in said] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("verified", "核实通过"),
        ("verification_failed", "核实未过"),
        ("hotline.case.verified.v1", "核实通过"),
        ("hotline.ticket.called_back.v1", "回访"),
        ("hotline.classification.danger_heard.v2", "听到险情"),
    ],
)
def test_what_happened_has_a_name(name: str, told: str) -> None:
    assert words.happened(name) == told


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (timedelta(seconds=30), "还剩 不足 1 分"),
        (timedelta(hours=2, minutes=13), "还剩 2 小时 13 分"),
        (timedelta(days=1, hours=4), "还剩 1 天 4 小时"),
        (timedelta(minutes=-40), "! 超时 40 分"),
    ],
)
def test_time_is_told_as_people_say_it(rest: timedelta, told: str) -> None:
    assert words.left(NOW + rest, NOW) == told
