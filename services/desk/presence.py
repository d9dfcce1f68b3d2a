"""Who has a case open now, so that two do not work on it unknowingly.

A page is known to be open by the beats of the stream of news that its browser has anyway: they
ask nothing more of the browser, and of the router only now and then whether the visitor may
still look at the case. Whoever may not any more, or is heard of no more, is not shown.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from services.desk.accounts import Visitor
from services.desk.remote import Refused, Services
from shared.database import Database, Writer
from shared.roles import Role

LASTS: Final = timedelta(seconds=45)
"""Three beats of the stream: who was not heard of for so long has left."""
CHECKED: Final = timedelta(minutes=2)
"""How long the router's word that somebody may look at a case is good."""
CENTRE: Final = "网格中心"

_ARRIVE: Final = text("""
    INSERT INTO presence (session, number, name, called, unit, checked_at, seen_at)
    VALUES (:session, :number, :name, :called, :unit, :now, :now)
    ON CONFLICT (number, session) DO UPDATE SET
        called = excluded.called, unit = excluded.unit,
        checked_at = excluded.checked_at, seen_at = excluded.seen_at
""")
_STAY: Final = text("""
    UPDATE presence SET seen_at = :now
    WHERE session = :session AND number = ANY(:numbers) AND checked_at > :checked
    RETURNING number
""")
_LEAVE: Final = text("DELETE FROM presence WHERE session = :session AND number = :number")
_FORGET: Final = text("""
    DELETE FROM presence WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM presence WHERE seen_at < :ended FOR UPDATE SKIP LOCKED))
""")
_OTHERS: Final = text("""
    SELECT DISTINCT number, called, unit FROM presence
    WHERE number = ANY(:numbers) AND seen_at > :ended
    AND (name, coalesce(unit, '')) <> (:name, coalesce(:unit, ''))
    ORDER BY number, called
""")


def opened(database: Database, services: Services, visitor: Visitor, number: str) -> str:
    """Who else has a case open, told to a visitor who has just been shown it.

    From now on others are told of the visitor, unless they only watch (督查).
    """
    now = datetime.now(UTC)
    with database.writing() as writer:
        if visitor.role is not Role.SUPERVISOR:
            writer.execute(_FORGET, {"ended": now - LASTS})
            _arrive(writer, visitor, number, now)
        return _others(writer, services, visitor, [number], now)[number]


def still_open(
    database: Database,
    services: Services,
    visitor: Visitor,
    numbers: Sequence[str],
    changed: Collection[str] = (),
) -> Mapping[str, str]:
    """Who else has each of these cases open, told to a visitor who still has.

    The router is asked about a case of which it has said nothing lately, or that has `changed`.
    """
    now = datetime.now(UTC)
    with database.writing() as writer:
        asked = {"session": visitor.key, "numbers": list(numbers), "now": now}
        stay = writer.execute(_STAY, asked | {"checked": now - CHECKED}).scalars()
        known = {number for number in stay if number not in changed}
    seen = {
        number: _may_see(services, visitor, number) for number in numbers if number not in known
    }
    with database.writing() as writer:
        for number, may in seen.items():
            if may:
                _arrive(writer, visitor, number, now)
            else:
                writer.execute(_LEAVE, {"session": visitor.key, "number": number})
        shown = [number for number in numbers if seen.get(number, True)]
        return {
            **dict.fromkeys(numbers, ""),
            **_others(writer, services, visitor, shown, now),
        }


def left(writer: Writer, visitor: Visitor) -> None:
    """Whoever signs out has left every case."""
    writer.execute(text("DELETE FROM presence WHERE session = :key"), {"key": visitor.key})


def _may_see(services: Services, visitor: Visitor, number: str) -> bool:
    """Whether the router shows a case to a visitor; one that does not answer shows none."""
    try:
        services.get("router", f"/cases/{number}", visitor)
    except Refused:
        return False
    return True


def _arrive(writer: Writer, visitor: Visitor, number: str, now: datetime) -> None:
    row = {
        "session": visitor.key,
        "number": number,
        "name": visitor.name,
        "called": visitor.called,
        "unit": visitor.unit,
        "now": now,
    }
    writer.execute(_ARRIVE, row)


def _others(
    writer: Writer, services: Services, visitor: Visitor, numbers: Sequence[str], now: datetime
) -> Mapping[str, str]:
    found = writer.execute(
        _OTHERS,
        {
            "numbers": list(numbers),
            "ended": now - LASTS,
            "name": visitor.name,
            "unit": visitor.unit,
        },
    ).all()
    names = services.names(visitor) if found else None
    told: dict[str, list[str]] = {number: [] for number in numbers}
    for number, called, unit in found:
        assert names is not None
        told[number].append(f"{called}（{names.unit(unit) if unit else CENTRE}）")
    return {number: f"{'、'.join(who)} 正在看" if who else "" for number, who in told.items()}
