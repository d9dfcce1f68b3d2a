"""Where a ticket is, by what intake and the router say of it; and that both say all they know."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from services.router.domain.conservation import (
    PLACES,
    Accepted,
    Gap,
    Known,
    Whereabouts,
    account,
)
from services.router.reconcile import reconcile, repair
from services.router.storage.cases import read_cases
from services.router.storage.counterparts import Counterparts
from shared.database import Database
from shared.events import CASES, CaseState
from shared.postgres import database_url
from shared.service import prepare
from tests.router.station import Station
from tests.router.test_rederive import WAYS

S = CaseState
N = "NK20261123-000001"


def case(
    state: CaseState = S.DISPATCHED, version: int = 2, *, queued: bool = True, there: bool = True
) -> Known:
    return Known(N, state, version, queued, there)


@pytest.mark.parametrize("state", CaseState)
def test_a_ticket_on_which_both_agree_is_in_the_place_of_its_state(state: CaseState) -> None:
    assert account(Accepted(N, state, 2), case(state)) is PLACES[state]


@pytest.mark.parametrize(
    ("ticket", "known", "found"),
    [
        (Accepted(N, "received", 0), None, Gap.NO_CASE),
        (Accepted(N, "triaged", 0), None, Gap.NO_CASE),
        (Accepted(N, "closed", 0), None, Whereabouts.CLOSED),
        (None, case(), Gap.NO_TICKET),
        (Accepted(N, "triaged", 0), case(), Gap.NOT_TOLD),
        (Accepted(N, "dispatched", 1), case(S.ACCEPTED), Gap.NOT_TOLD),
        (Accepted(N, "accepted", 2), case(S.REPLIED), Gap.NOT_TOLD),
        (Accepted(N, "dispatched", 3), case(), Gap.AHEAD),
        (Accepted(N, "closed", 2), case(S.CALLBACK_PENDING), Gap.NOT_HEARD),
        (Accepted(N, "reopened", 2), case(S.CALLBACK_PENDING), Gap.NOT_HEARD),
        (Accepted(N, "dispatched", 2), case(queued=False), Gap.IN_NO_QUEUE),
        (Accepted(N, "suspended", 2), case(S.SUSPENDED, queued=False), Gap.IN_NO_QUEUE),
        (Accepted(N, "manual_dispatch", 2), case(S.MANUAL_DISPATCH, queued=False), Gap.IN_NO_QUEUE),
        (
            Accepted(N, "callback_pending", 2),
            case(S.CALLBACK_PENDING, queued=False),
            Whereabouts.ANSWERED,
        ),
        (Accepted(N, "merged", 2), case(S.MERGED, there=False), Gap.NO_SUCCESSOR),
        (Accepted(N, "split", 2), case(S.SPLIT, there=False), Gap.NO_SUCCESSOR),
    ],
)
def test_what_does_not_agree_is_missed(
    ticket: Accepted | None, known: Known | None, found: Whereabouts | Gap
) -> None:
    assert account(ticket, known) is found


@pytest.fixture
def both(empty_station: Station) -> Counterparts:
    """The databases of a router with a case of every way, and of an intake that knows of none."""
    for service in ("intake", "classifier"):
        prepare(empty_station.settings, service)
    for way in WAYS.values():
        way(empty_station)
    others = (
        Database(database_url(empty_station.settings, name)) for name in ("intake", "classifier")
    )
    made = Counterparts(empty_station.database, *others)
    with made.intake.writing() as writer:
        writer.execute(text("TRUNCATE ticket CASCADE"))
    return made


def accept(both: Counterparts, station: Station, *, told: bool = True) -> None:
    """Let intake have accepted the ticket of every case, and have been told of it."""
    rows = station.rows("SELECT number, state, version, opened_at FROM case_record")
    with both.intake.writing() as writer:
        for number, state, version, opened_at in rows:
            writer.execute(
                text(
                    "INSERT INTO ticket (number, id, version, status, channel, kind, text,"
                    " confidential, received_at, received_by, round, urges, case_version)"
                    " VALUES (:n, gen_random_uuid(), 1, :status, 'hotline', 'help', '路灯不亮',"
                    " false, :at, 'test', 0, 0, :version)"
                ),
                {
                    "n": number,
                    "status": state if told else "triaged",
                    "at": opened_at,
                    "version": version if told else 0,
                },
            )


def later() -> datetime:
    return datetime.now(UTC) + timedelta(days=30)


def test_cases_of_every_way_are_in_a_place_each(both: Counterparts, empty_station: Station) -> None:
    accept(both, empty_station)
    found = reconcile(both, later())
    assert found.missed == []
    assert found.tickets == empty_station.value("SELECT count(*) FROM case_record")
    assert {Whereabouts.QUEUE, Whereabouts.MERGED, Whereabouts.REDIRECTED} <= found.places.keys()
    both.close()


def test_what_moved_just_now_is_on_its_way(both: Counterparts, empty_station: Station) -> None:
    accept(both, empty_station, told=False)
    found = reconcile(both, datetime.now(UTC))
    assert found.missed == []
    assert found.places == {"on_its_way": found.tickets}
    both.close()


def test_what_intake_was_not_told_is_said_again_under_the_ids_it_had(
    both: Counterparts, empty_station: Station
) -> None:
    accept(both, empty_station, told=False)
    query = "SELECT key, event_id FROM outbox WHERE topic = :topic"
    first = set(empty_station.rows(query, topic=CASES))
    waiting = reconcile(both, later())
    assert repair(both, empty_station.rules, waiting, later()) == 0
    with both.router.writing() as writer:
        writer.execute(text("DELETE FROM outbox"))
    found = reconcile(both, later())
    assert {one.gap for one in found.missed} == {Gap.NOT_TOLD}
    assert len(found.missed) == empty_station.value("SELECT count(*) FROM case_record")
    assert repair(both, empty_station.rules, found, later()) == len(found.missed)
    again = set(empty_station.rows(query, topic=CASES))
    assert {key for key, _ in again} == {one.number for one in found.missed}
    assert again <= first
    both.close()


def test_only_what_changed_is_looked_at_and_what_was_missed_before(
    both: Counterparts, empty_station: Station
) -> None:
    accept(both, empty_station)
    whole = reconcile(both, later())
    assert reconcile(both, later(), since=later()).tickets == 0
    changed = reconcile(both, later(), since=datetime.now(UTC) - timedelta(minutes=5))
    assert changed.places == whole.places
    both.close()


def test_everything_a_case_becomes_is_told(both: Counterparts, empty_station: Station) -> None:
    """Intake could else never catch up with the case, and its ticket would be missed for ever."""
    numbers = [row[0] for row in empty_station.rows("SELECT number FROM case_record")]
    told: dict[str, int] = {}
    for key, payload in empty_station.rows(
        "SELECT key, payload FROM outbox WHERE topic = :topic", topic=CASES
    ):
        version = json.loads(bytes(payload))["case"]["version"]
        told[key] = max(version, told.get(key, 0))
    with both.router.reading() as reader:
        cases = read_cases(reader, numbers)
    assert told == {record.number: record.version for _, record in cases}
    both.close()
