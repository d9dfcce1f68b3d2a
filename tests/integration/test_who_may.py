"""Who may do what: every operation of the three services, as anybody, on every kind of record.

The operations come from the services' own descriptions; who may use one stands in ROLES here,
and who may see a record follows from who leads it, assists, is called to it or is accused in it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import jwt
import pytest

from deploy.stack import Stack, settings_for
from shared.auth import issue_token
from shared.roles import Role
from shared.secrets import local_keys
from shared.settings import Settings
from tests.conftest import public_home
from tests.integration.desk import Desk, eventually

P, D, S, U, M = Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.UNIT, Role.SYSTEM
ALL: Final = frozenset({P, D, S, U, M})
ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "POST /tickets": frozenset({P, M}),
    "GET /tickets": ALL,
    "GET /tickets/list.{form}": ALL,
    "GET /tickets/{number}": ALL,
    "POST /tickets/{number}/amendments": frozenset({P, M}),
    "POST /tickets/{number}/urges": frozenset({P, D, S, M}),
    "POST /tickets/{number}/callbacks": frozenset({P}),
    "POST /tickets/callbacks": frozenset({P}),
    "POST /tickets/{number}/answer": frozenset({P}),
    "POST /tickets/{number}/close": frozenset({P, D, S}),
    "GET /tickets/{number}/caller": frozenset({P, D, U}),
    "POST /glance": frozenset({P}),
    **{
        operation: frozenset({P, M})
        for operation in (
            *("POST /imports", "GET /imports", "GET /imports/{job}", "GET /imports/{job}/lines"),
            *("GET /imports/{job}/lines.{form}", "POST /imports/{job}/start"),
            "POST /imports/{job}/cancel",
        )
    },
    "POST /classify": frozenset({P, D, S, M}),
    "GET /taxonomy": ALL,
    "GET /model": frozenset({D, S, M}),
    "GET /reviews": frozenset({D, S}),
    "POST /reviews/{number}": frozenset({D, S}),
    "POST /route": frozenset({P, D, S, M}),
    "GET /cases": frozenset({D, S, U, M}),
    "GET /cases/list.{form}": frozenset({D, S, U, M}),
    "GET /cases/{number}": ALL,
    **{
        f"POST /cases/{{number}}/{command}": frozenset({P, D, S, U})
        for command in (
            *("accept", "contact", "reply", "verify", "return", "rule-return", "extend"),
            *("rule-extension", "suspend", "resume", "urge", "supervise", "redispatch"),
            *("hand-over", "reclassify", "relocate", "restrict", "uphold"),
        )
    },
    "POST /cases/{number}/unmerge": frozenset({D, S}),
    "POST /cases/{number}/split": frozenset({D, S}),
    "POST /cases/{number}/whistles": frozenset({D, S, U}),
    "GET /whistles": ALL,
    "GET /whistles/{number}": ALL,
    **{
        f"POST /whistles/{{number}}/{command}": frozenset({D, S, U})
        for command in (
            *("amend", "sign", "dispatch", "reject", "acknowledge", "arrive", "handle"),
            *("confirm", "score", "close", "withdraw", "refuse", "release"),
        )
    },
    "GET /incidents": frozenset({P, D, S, M}),
    "GET /incidents/{number}": frozenset({P, D, S, M}),
    "POST /incidents/{number}/merge": frozenset({D, S}),
    "POST /incidents/{number}/dismiss": frozenset({D, S}),
    "GET /units": ALL,
    "GET /units/{unit}/queue": frozenset({D, S, U, M}),
    "GET /units/{unit}/queue/cursor": frozenset({D, S, U, M}),
    "GET /units/{unit}/queue/stream": frozenset({D, S, U, M}),
    "POST /units/{unit}/webhooks": frozenset({U}),
    "GET /units/{unit}/webhooks": frozenset({S, U}),
    "GET /units/{unit}/webhooks/{webhook}/deliveries": frozenset({S, U}),
    "POST /units/{unit}/webhooks/{webhook}/pause": frozenset({S, U}),
    "POST /units/{unit}/webhooks/{webhook}/resume": frozenset({S, U}),
    "POST /units/{unit}/webhooks/{webhook}/replay": frozenset({S, U}),
    "POST /units/{unit}/webhooks/{webhook}/secret": frozenset({U}),
    "DELETE /units/{unit}/webhooks/{webhook}": frozenset({S, U}),
}
CENTRE: Final = "grid-centre"
STRANGER: Final = "housing"
UNKNOWN: Final = ("NK20200101-000001", "none-such")
CALLER: Final = {"name": "甘棠", "phone": "13652074418"}
FLOODS: Final = (
    "风荷园门口积水到膝盖了，车都过不去",
    "风荷园门口积水太深了出不去，快来抽水",
    "风荷园大门口积水很深，下水道往外冒水",
)
SAID: Final = {
    "POST /tickets/{number}/amendments": {"text": "补充"},
    "POST /reviews/{number}": {"leaf": "property.property_service"},
}
"""Bodies that have to say more than their schema knows."""
SENSELESS: Final = {"no_such_field": 1}
NOBODY: Final = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Actor:
    """Somebody who asks; without a role nobody we know."""

    name: str
    token: str | None
    role: Role | None = None
    unit: str | None = None

    @property
    def office(self) -> str | None:
        """The unit they act for."""
        return CENTRE if self.role is D else self.unit


@dataclass(frozen=True)
class Thing:
    """What a path is about; `units` are those that may see it, `accused` who may not at all.

    `callers` are the units that may have the caller's phone; `roles` whose it is otherwise.
    """

    names: Mapping[str, str]
    units: frozenset[str] = frozenset()
    accused: str | None = None
    there: bool = True
    callers: frozenset[str] = frozenset()
    roles: frozenset[Role] = ALL

    def seen_by(self, actor: Actor) -> bool:
        accused = self.accused is not None and actor.office == self.accused
        if accused or not self.there or actor.role not in self.roles:
            return False
        return actor.role is not U or actor.unit in self.units


@dataclass(frozen=True)
class World:
    """A running installation: its operations, who asks, and what there is of each kind."""

    desk: Desk
    operations: Mapping[str, tuple[str, Mapping[str, Any] | None]]
    actors: Sequence[Actor]
    things: Mapping[str, Sequence[Thing]]
    http: httpx2.Client

    def ask(self, operation: str, thing: Thing, actor: Actor, body: object) -> httpx2.Response:
        """The answer to an operation; of a stream, its beginning."""
        method, template = operation.split(" ")
        service, _ = self.operations[operation]
        url = self.desk.stack.address(service) + "/api" + template.format_map(thing.names)
        headers = {} if actor.token is None else {"Authorization": f"Bearer {actor.token}"}
        given: dict[str, Any] = {} if body is None else {"json": body}
        if template.endswith("/stream"):
            with self.http.stream(method, url, headers=headers) as answer:
                return answer
        return self.http.request(method, url, headers=headers, **given)

    def accusing(self, actor: Actor) -> Sequence[str]:
        """The complaints about the office that somebody acts for, which they must not learn of."""
        return [
            thing.names["number"]
            for thing in self.things["tickets/{number}"]
            if thing.accused is not None and thing.accused == actor.office
        ]

    def versions(self) -> Mapping[str, int]:
        """Of every case, how often it has changed."""
        page = self.desk.ask("router", "GET", "/cases", role=S, params={"limit": 100}).json()
        return {item["number"]: item["version"] for item in page["items"]}


def operations_of(stack: Stack) -> Mapping[str, tuple[str, Mapping[str, Any] | None]]:
    """Every operation with its service, and a body that says as little as it may."""
    found = {}
    for service in ("intake", "classifier", "router"):
        described = httpx2.get(f"{stack.address(service)}/openapi.json").json()
        schemas = described["components"]["schemas"]
        for path, operations in described["paths"].items():
            if not path.startswith("/api/"):
                continue
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {})
                schema = content.get("application/json", {}).get("schema")
                name = f"{method.upper()} {path.removeprefix('/api')}"
                body = None if schema is None else least(schema, schemas)
                found[name] = (service, SAID.get(name, body))
    return found


def least(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """The shortest sound value of a schema."""
    if "$ref" in schema:
        return least(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return least(schema[choice][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            return {name: least(schema["properties"][name], schemas) for name in wanted}
        case "array":
            return [least(schema["items"], schemas)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    if schema.get("format") == "date-time":
        return "2026-12-01T09:00:00+08:00"
    return "parks"


def actors_of(settings: Settings, units: Sequence[str]) -> Sequence[Actor]:
    """Nobody, those with a bad token, every role, and each of these units."""
    good = {"iss": "hotline", "aud": "hotline", "sub": "li", "role": "supervisor"}
    (key,) = local_keys(settings.home, "jwt", settings.jwt_secret)
    ended = jwt.encode(good | {"exp": int(time.time()) - 1}, key)
    foreign = jwt.encode(good | {"exp": int(time.time()) + 600}, b"k" * 32)
    return (
        *(Actor(f"nobody {n}", token) for n, token in enumerate((None, "x", ended, foreign))),
        *(Actor(str(role), issue_token(settings, role), role) for role in (P, D, S, M)),
        *(Actor(unit, issue_token(settings, U, unit=unit), U, unit) for unit in units),
    )


def prepare(desk: Desk) -> tuple[Mapping[str, Sequence[Thing]], Sequence[str]]:
    """Records of every kind, and units that have and have not to do with them."""
    plain = desk.submit("迎水里3号楼暖气不热，屋里冷", caller=CALLER)
    lead = str(desk.settled(plain)["case"]["lead_unit"])
    danger = desk.submit("风荷园3号楼楼道里煤气味特别大，呛得人头晕", caller=CALLER)
    hidden = desk.submit(
        "迎水里3号楼暖气不热，别说是我说的", caller=CALLER | {"confidential": True}
    )
    ended = desk.submit("迎水里5号楼暖气不热", caller=CALLER)
    accuses = desk.submit("迎水里暖气坏了，供热办没人管", accused_unit=lead)
    centre = desk.submit("迎水里路灯坏了，中心不给派", accused_unit=CENTRE, caller=CALLER)
    asking = desk.submit(f"我投诉中心那个{centre}怎么样了")
    learned = desk.submit("迎水里垃圾没人收", caller=CALLER)
    after = desk.submit("迎水里楼道灯不亮", caller=CALLER)
    floods = [desk.submit(words) for words in FLOODS]
    numbers = [plain, danger, hidden, ended, accuses, centre, asking, learned, after, *floods]
    for number in numbers:
        desk.settled(number)
    found = {"confidential": False, "accused_unit": CENTRE, "reason": "说的是中心"}
    assert desk.ask("router", "POST", f"/cases/{learned}/restrict", role=D, json=found).is_success
    desk.until(learned, lambda ticket: ticket["accused_unit"] == CENTRE)
    closing = {"reason": "withdrawn", "note": "不用了"}
    assert desk.ask("intake", "POST", f"/tickets/{ended}/close", json=closing).status_code == 201
    desk.until(ended, lambda ticket: ticket["case"]["state"] == "closed")

    def incident() -> str | None:
        found: str | None = desk.ticket(floods[0])["case"]["incident"]
        return found

    event = eventually(incident)
    views = {n: desk.ask("router", "GET", f"/cases/{n}", role=S).json()["case"] for n in numbers}
    street = str(views[plain]["place"]["street"])
    called = next(unit for unit in ("fire", "urban-management") if unit != lead)
    blow = {"kind": "joint_enforcement", "lead": called, "note": "需要到场", "place": "3号楼"}
    blown = desk.ask("router", "POST", f"/cases/{plain}/whistles", role=U, unit=street, json=blow)
    assert blown.status_code in (200, 201), blown.text
    address = {"url": "https://example.com/hook"}
    added = desk.ask(
        "router", "POST", f"/units/{street}/webhooks", role=U, unit=street, json=address
    )
    hook = added.json()["webhook"]["id"]
    sheet = {"file": ("表.csv", "text\n下水道堵了\n".encode())}
    job = desk.ask("intake", "POST", "/imports", files=sheet, data={"dry_run": "true"}).json()

    def record(number: str, *, with_street: bool) -> Thing:
        case = views[number]
        units = {case["lead_unit"], *case["assist_units"]}
        if with_street and "restricted" not in case["flags"]:
            units.add(case["place"]["street"])
        lead_unit = {case["lead_unit"]} if number != hidden else set()
        return Thing(
            {"number": number},
            frozenset(filter(None, units)),
            case["accused_unit"],
            callers=frozenset(filter(None, lead_unit)),
        )

    unknown = [Thing({"number": name}, there=False) for name in UNKNOWN]
    knowing = (street, lead, called, STRANGER)
    own = [Thing({"unit": unit}, frozenset({unit})) for unit in (street, lead, STRANGER)]
    hooks = [
        Thing({"unit": street, "webhook": hook}, frozenset({street})),
        Thing({"unit": lead, "webhook": hook}, there=False),
        Thing({"unit": street, "webhook": NOBODY}, there=False),
    ]
    jobs = [
        Thing({"job": job["id"], "form": "csv"}, roles=frozenset({P})),
        Thing({"job": NOBODY, "form": "csv"}, there=False),
    ]
    return {
        "tickets/{number}": [*(record(n, with_street=False) for n in numbers), *unknown],
        "cases/{number}": [*(record(n, with_street=True) for n in numbers), *unknown],
        "whistles/{number}": [Thing({"number": f"{plain}-W1"}, frozenset({street})), *unknown],
        "incidents/{number}": [Thing({"number": event}), *unknown],
        "reviews/{number}": [Thing({"number": plain}), *unknown],
        "units/{unit}": [*own, Thing({"unit": "none-such"}, there=False)],
        "webhooks/{webhook}": hooks,
        "imports/{job}": jobs,
        "": [Thing({"form": "csv"}, frozenset(knowing))],
    }, knowing


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with public_home() as home, Stack(settings_for(home)) as stack, Desk(stack) as desk:
        things, units = prepare(desk)
        with httpx2.Client(timeout=30) as http:
            people = actors_of(stack.settings, units)
            yield World(desk, operations_of(stack), people, things, http)


def test_the_table_names_every_operation_there_is(world: World) -> None:
    assert set(ROLES) == set(world.operations)


def cells(world: World) -> Iterator[tuple[str, Thing, Actor]]:
    """Everybody asking for everything of everything; what deletes comes last."""
    for operation in sorted(world.operations, key=lambda name: name.startswith("DELETE")):
        kinds = [kind for kind in world.things if kind and f"/{kind}" in operation]
        for thing in world.things[kinds[-1] if kinds else ""]:
            yield from ((operation, thing, actor) for actor in world.actors)


def refusal(operation: str, thing: Thing, actor: Actor) -> int | None:
    """The status of who may not ask, or may not know; None where the answer is theirs."""
    if actor.role is None:
        return 401
    if actor.role not in ROLES[operation]:
        return 403
    return None if thing.seen_by(actor) else 404


def test_nobody_learns_or_changes_what_is_not_theirs(world: World) -> None:
    before, wrong, asked = world.versions(), [], 0
    for operation, thing, actor in cells(world):
        right = refusal(operation, thing, actor)
        if right is None:
            continue
        asked += 1
        answer = world.ask(operation, thing, actor, world.operations[operation][1])
        if answer.status_code != right:
            wrong.append((operation, dict(thing.names), actor.name, right, answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))
    assert asked > 4000
    assert world.versions() == before


def test_whoever_may_is_answered(world: World) -> None:
    wrong, asked = [], 0
    for operation, thing, actor in cells(world):
        if refusal(operation, thing, actor) is not None:
            continue
        asked += 1
        body = world.operations[operation][1]
        answer = world.ask(operation, thing, actor, None if body is None else SENSELESS)
        if body is not None or operation == "POST /imports":
            right = answer.status_code == 422
        elif operation.endswith("/caller") and actor.role is U:
            right = answer.status_code == (200 if actor.unit in thing.callers else 403)
        else:
            gone = 404 if operation.startswith("DELETE") else None  # by another before
            right = answer.status_code < 400 or answer.status_code in (409, gone)
        told = [] if operation.endswith("/caller") else [*CALLER.values()]
        told += world.accusing(actor)
        shown = "" if operation.endswith("/stream") else answer.text
        if not right or any(secret in shown for secret in told):
            wrong.append((operation, dict(thing.names), actor.name, answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))
    assert asked > 1000
