"""Every command of the router: by the wrong role, too late, on nothing, and twice at once.

A command that is refused is answered with a problem document and has changed nothing; of
two that come at once the second finds what the first has made of the case.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import Command
from services.router.domain.whistles.states import WHISTLE_MACHINE
from services.router.http.cases import BODIES as CASE_BODIES
from services.router.http.whistles import BODIES as WHISTLE_BODIES
from shared.events import CaseState, Demand, Priority
from shared.roles import Role
from tests.router.station import ELSEWHERE, LAMP, STALLS, TRAPPED, Json, Station, classified, closed
from tests.router.test_incidents import flooded, incident_of
from tests.router.test_whistle_api import JOINT, STREET, blown, done

LEAD: Final = "urban-management"
WHY: Final = {"reason": "核实后认定"}
RETURN: Final = {"reason_code": "not_ours", "basis": "三定方案", "proposed_owner": "power"}
PLAN: Final = {"plan": "列入明年计划", "note": "无资金", "review_date": "2026-12-20"}
STRANGER: Final = "education"
"""A unit that has nothing to do with any case here."""


@dataclass(frozen=True)
class Try:
    """A command on a case or whistle that `ready` has brought to where it may be given."""

    command: str
    ready: Callable[[Station], str]
    body: Json = field(default_factory=dict)
    role: Role = Role.UNIT
    unit: str | None = None
    name: str | None = None
    on: str = "cases"
    again: bool = False
    """Whether it may be given once more: it says the same again, or adds to it."""

    def path(self, number: str) -> str:
        """Where it is sent."""
        return f"/api/{self.on}/{number}/{self.command}"

    def send(self, station: Station, number: str, **more: Any) -> Any:
        """The answer to the command, by whoever may give it."""
        headers = station.header(self.role, self.unit, self.name)
        return station.client.post(self.path(number), json={**self.body, **more}, headers=headers)


def after(*commands: str, **opened: Any) -> Callable[[Station], str]:
    """A case at work, after its lead's commands."""

    def ready(station: Station) -> str:
        number = station.opened(LAMP, **opened)
        for command in commands:
            body: Any = {"return": RETURN, "suspend": PLAN}.get(command, {"note": "已办"})
            station.done(number, command, unit=None if command == "suspend" else LEAD, **body)
        return number

    return ready


def whistle(*steps: tuple[str, str | None], **summons: str) -> Callable[[Station], str]:
    """A whistle after steps, each by a unit or the grid centre."""

    def ready(station: Station) -> str:
        name = str(blown(station, station.opened(STALLS), **summons)["number"])
        for command, unit in steps:
            body: Json = {"unit": unit} if command == "score" else {"note": "已处置"}
            done(station, name, command, unit, **body)
        return name

    return ready


def event(station: Station) -> str:
    """An event of two proposed cases."""
    first, second = flooded(), flooded(n=1)
    station.hear(first, second)
    return str(incident_of(station, first.ticket.number))


def merged(station: Station) -> str:
    """A case that waits for another."""
    first, second = flooded(), flooded(n=1)
    station.hear(first, second)
    incident = incident_of(station, first.ticket.number)
    assert station.post(f"/incidents/{incident}/merge", {}).status_code == 200
    return str(second.ticket.number)


def twofold(station: Station) -> str:
    """A case of two demands, proposed to be split."""
    demands = (Demand(leaf=LAMP, text="路灯不亮"), Demand(leaf=STALLS, text="有人占道"))
    return station.opened(LAMP, demands=demands)


def doubted(station: Station) -> str:
    """A case at work of which a model now suspects danger."""
    number = station.opened(LAMP)
    station.hear(classified(number, TRAPPED, version=2, priority=Priority.P1, abstained=True))
    return number


def redirected(station: Station) -> str:
    """A ticket of another district, with the desk that passes it on."""
    number = station.opened(LAMP, text=ELSEWHERE, address=None)
    assert station.state(number) == "redirected_out"
    return number


S: Final = (("sign", STREET), ("dispatch", None))
WORKED: Final = (
    *S,
    *(
        (command, unit)
        for unit in ("urban-management", "police", "market")
        for command in ("acknowledge", "arrive", "handle")
    ),
)
D: Final = Role.DISPATCHER
TRIES: Final = (
    Try("accept", after(), unit=LEAD),
    Try("contact", after("accept"), {"note": "已联系"}, unit=LEAD, again=True),
    Try("reply", after("accept", "contact"), {"note": "已修好"}, unit=LEAD),
    Try("verify", after("accept", "contact", "reply"), unit=LEAD, name="李四"),
    Try("return", after(), RETURN, unit=LEAD),
    Try("rule-return", after("return"), {"approve": True}, D),
    Try("extend", after("accept", "contact"), {"note": "等材料"}, unit=LEAD),
    Try("rule-extension", after("accept", "contact", "extend"), {"approve": True}, D),
    Try("suspend", after("accept", "contact"), PLAN, D),
    Try("resume", after("accept", "contact", "suspend"), unit=LEAD),
    Try("urge", after(), {"note": "请快办"}, D, again=True),
    Try("supervise", after(), {"note": "请限时办"}, Role.SUPERVISOR, again=True),
    Try("redispatch", after(), {"lead_unit": "power", "note": "改派"}, D),
    Try("hand-over", redirected, {"note": "已转和平区"}, D),
    Try("reclassify", after(), {"leaf": STALLS, **WHY}, D, again=True),
    Try("relocate", after(), {"street": "huayuan", **WHY}, D, again=True),
    Try("restrict", after(), {"confidential": True, **WHY}, D, again=True),
    Try("uphold", doubted, WHY, D),
    Try("split", twofold, {"note": "两件事"}, D),
    Try("unmerge", merged, {"note": "不是一件事"}, D),
    Try("whistles", lambda station: station.opened(STALLS), JOINT, unit=STREET),
    Try("merge", event, on="incidents", role=D),
    Try("dismiss", event, on="incidents", role=D),
    Try(
        "amend", whistle(), {**JOINT, "action": "联合清理"}, unit=STREET, on="whistles", again=True
    ),
    Try("sign", whistle(), unit=STREET, on="whistles"),
    Try("dispatch", whistle(("sign", STREET)), role=D, on="whistles"),
    Try("reject", whistle(("sign", STREET), basis=""), {}, D, on="whistles"),
    Try("acknowledge", whistle(*S), unit="police", on="whistles"),
    Try("arrive", whistle(*S, ("acknowledge", "police")), unit="police", on="whistles"),
    Try(
        "handle",
        whistle(*S, ("acknowledge", "police"), ("arrive", "police")),
        {"note": "已处置"},
        unit="police",
        on="whistles",
    ),
    Try("refuse", whistle(*S), WHY, unit="police", on="whistles"),
    Try("release", whistle(*S), {"unit": "police", "approve": True}, D, on="whistles"),
    Try("confirm", whistle(*WORKED), {"note": "属实"}, unit=STREET, on="whistles"),
    Try(
        "score",
        whistle(*WORKED, ("confirm", STREET)),
        unit=STREET,
        on="whistles",
        body={"unit": "police", "solved": True},
    ),
    Try("close", whistle(*WORKED, ("confirm", STREET)), unit=STREET, on="whistles"),
    Try("withdraw", whistle(*S), WHY, unit=STREET, on="whistles"),
)


def each(tries: Sequence[Try]) -> pytest.MarkDecorator:
    """One test for each."""
    return pytest.mark.parametrize("one", tries, ids=[f"{one.on}-{one.command}" for one in tries])


EVERY: Final = each(TRIES)
VERSIONED: Final = each([one for one in TRIES if one.on != "incidents"])


BY_CENTRE: Final = ("whistles", "merge", "dismiss")
"""What no table of states says of: a whistle is blown, an event is ruled on."""
TABLES: Final = {
    "case_record": "number, version",
    "case_log": "number, id",
    "whistle": "number, version",
    "whistle_log": "whistle, id",
    "incident": "number, state, count",
    "incident_member": "incident, number, state",
    "queue_entry": "unit, number, whistle, seq",
    "clock": "id, due_at, stopped_at",
    "outbox": "topic, id",
}
"""Everything that a command could change."""


def remembered(station: Station) -> Mapping[str, Any]:
    """The database as it stands."""
    return {
        table: station.rows(f"SELECT {columns} FROM {table} ORDER BY {columns}")  # noqa: S608
        for table, columns in TABLES.items()
    }


def refused(answer: Any, *statuses: int) -> None:
    """A problem document of one of these statuses, with a sentence."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


def test_every_command_that_people_give_is_tried() -> None:
    tried = {(one.on, one.command) for one in TRIES}
    of_cases = {*CASE_BODIES, Command.RECLASSIFY, Command.RELOCATE, Command.RESTRICT}
    of_cases |= {Command.UPHOLD, Command.SPLIT, Command.UNMERGE}
    assert len(tried) == len(TRIES)
    assert tried == {
        *(("cases", command.value) for command in of_cases),
        *(("whistles", command.value) for command in WHISTLE_BODIES),
        ("cases", "whistles"),
        ("incidents", "merge"),
        ("incidents", "dismiss"),
    }


@EVERY
def test_a_command_is_refused_to_whoever_may_not_give_it(empty_station: Station, one: Try) -> None:
    station = empty_station
    number = one.ready(station)
    before = remembered(station)
    machine = WHISTLE_MACHINE if one.on == "whistles" else CASE_MACHINE
    who = {order.value: who for order, who in machine.who.items()}
    may = {Role.DISPATCHER} if one.command in BY_CENTRE else who[one.command] - {Role.UNIT}
    for role in set(Role) - may:
        unit = STRANGER if role is Role.UNIT else None
        refused(replace(one, role=role, unit=unit, name=None).send(station, number), 403, 404)
    assert remembered(station) == before


@EVERY
def test_a_command_on_nothing_is_not_found(empty_station: Station, one: Try) -> None:
    station = empty_station
    before = remembered(station)
    nothing = {"whistles": "NK20261123-999999-W1", "incidents": "E20261123-999999"}
    refused(one.send(station, nothing.get(one.on, "NK20261123-999999")), 404)
    assert remembered(station) == before


@each([one for one in TRIES if one.on != "incidents" and one.command not in ("score", "withdraw")])
def test_a_command_on_what_is_over_changes_nothing(empty_station: Station, one: Try) -> None:
    station = empty_station
    number = one.ready(station)
    if one.on == "whistles":
        done(station, number, "withdraw", STREET, **WHY)
    else:
        station.hear(closed(number, "withdrawn").model_copy(update={"note": "来电人撤回"}))
    ruled = (CaseState.CLOSED, one.command) in CASE_MACHINE.cells
    before = remembered(station)
    answer = one.send(station, number)
    if ruled and one.on == "cases":
        assert answer.status_code == 200, answer.text
        assert station.state(number) == "closed"
    else:
        refused(answer, 403, 409)
        assert remembered(station) == before


@VERSIONED
def test_a_command_on_what_has_changed_since_is_refused(empty_station: Station, one: Try) -> None:
    station = empty_station
    number = one.ready(station)
    before = remembered(station)
    refused(one.send(station, number, version=99), 409)
    assert remembered(station) == before


@EVERY
@pytest.mark.parametrize("known", [True, False])
def test_of_two_equal_commands_at_once_the_second_finds_the_first(
    empty_station: Station, one: Try, known: bool
) -> None:
    station = empty_station
    number = one.ready(station)
    table = {"whistles": "whistle", "cases": "case_record"}.get(one.on)
    given: Json = {}
    if known and table is not None:
        query = f"SELECT version FROM {table} WHERE number = :n"  # noqa: S608
        given = {"version": station.value(query, n=number)}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: one.send(station, number, **given), range(2)))
    done, *late = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code in (200, 201), done.text
    if one.again and not given:
        assert late[0].status_code == done.status_code
    else:
        refused(late[0], 409, 422)
