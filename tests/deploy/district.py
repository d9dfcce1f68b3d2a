"""A district that lives through forty days within a minute: its callers, streets and units.

The three services work in this process on a PostgreSQL of their own, and an event goes from one
to the next as soon as it is committed. Only the clock is made up. So everything a supervisor
looks at, rows and metrics alike, was written by the code that writes it in earnest, and the
district knows what it did.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, cast

import httpx2
import time_machine
from prometheus_client import REGISTRY, generate_latest

from services.classifier.choices import begin_with
from services.classifier.corpus import corpus_examples
from services.classifier.home import model_file
from services.classifier.model import train, write_model
from services.classifier.service import CLASSIFIER, measures
from services.intake.service import INTAKE
from services.router.clockwork import due_cases, fire_due
from services.router.gauges import gauges
from services.router.http.centre import Centre
from services.router.service import ROUTER
from services.router.work import working
from shared.auth import issue_token
from shared.bus import Bus, Received, Record
from shared.calendar import SHANGHAI
from shared.consume import ConsumerLoop
from shared.database import Database
from shared.postgres import database_url
from shared.relay import Relay
from shared.roles import Role
from shared.service import Running, Service, all_topics, prepare
from shared.settings import Settings
from tests.deploy.calls import LEAVES, Call, a_call, storm_call

Json = dict[str, Any]

DAYS: Final = 40
STORM_DAY: Final = 30
"""The day of heavy rain, counted from the first."""
STORM_CALLS: Final = 20
LATE: Final = "urban-management"
"""The unit that signs and answers when its clocks have long run out."""
MUTE: Final = "changhong"
"""The street that never blows a whistle."""
CALLS_A_DAY: Final = (2, 4)
HOURS: Final = (8, 9, 9, 9, 10, 10, 10, 11, 13, 14, 14, 15, 15, 16, 17, 19, 21)
"""When people call, each hour as often as they do."""
SCRAPE: Final = timedelta(hours=8)
LAST_HOURS: Final = timedelta(hours=3)
CLOSE_SCRAPE: Final = timedelta(minutes=5)
"""How often metrics are taken: within the last hours closely."""


@dataclass
class Books:
    """What the district did, counted by itself."""

    submitted: Counter[str] = field(default_factory=Counter)
    """Tickets by day in Asia/Shanghai."""
    storm: set[str] = field(default_factory=set)
    """Tickets of the heavy rain."""
    returns: list[tuple[str, datetime]] = field(default_factory=list)
    """The unit that asked, and when it was ruled."""
    answers: dict[str, tuple[str, bool, str]] = field(default_factory=dict)
    """What the caller of a ticket said last: about which unit, solved, how satisfied."""
    whistles: Counter[str] = field(default_factory=Counter)
    """Signed ones, by the street."""
    refused: Counter[str] = field(default_factory=Counter)
    """What came too late, since the clockwork or somebody else had been there before."""


class Courier:
    """A bus that keeps what is published until it is fetched."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        """Take the records."""
        self.records += records
        return [True] * len(records)

    def producer(self) -> "Courier":
        """Itself."""
        return self


@dataclass(frozen=True)
class Office:
    """One service: its client, its consumers, and the relay that empties its outbox."""

    running: Running
    database: Database
    client: httpx2.AsyncClient
    consumers: Sequence[tuple[frozenset[str], ConsumerLoop]]
    relay: Relay


class District:
    """The district: `live` lets its days pass, `books` and `samples` remain of them."""

    def __init__(
        self,
        settings: Settings,
        offices: dict[str, Office],
        courier: Courier,
        loop: asyncio.Runner,
        end: datetime,
    ) -> None:
        self.books = Books()
        self.samples: list[str] = []
        """The services' exposition, line by line, each with its instant in seconds."""
        self.end = end
        self.begin = end - timedelta(days=DAYS)
        self._now = self.begin
        self._settings = settings
        self._offices = offices
        self._courier = courier
        self._loop = loop
        self._random = Random(8890)
        self._ids = itertools.count()
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        centre = offices["router"].running.parts.state
        assert isinstance(centre, Centre)
        self._rules = centre.rules

    def live(self) -> None:
        """Let all days pass, up to the end."""
        self._plan()
        with time_machine.travel(self.begin, tick=False) as clock:
            while self._agenda:
                at, _, act = heapq.heappop(self._agenda)
                if at > self.end:
                    break
                self._now = at
                clock.move_to(at)
                act()
                self._deliver()

    def _later(self, wait: timedelta, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._now + wait, next(self._ids), act))

    def _plan(self) -> None:
        """What comes by itself: calls, and the round of the clockwork before each scrape."""
        for day in range(DAYS):
            weekend = (self.begin + timedelta(days=day)).astimezone(SHANGHAI).weekday() >= 5
            calls = self._random.randint(*CALLS_A_DAY) // (2 if weekend else 1)
            for _ in range(calls):
                self._later(self._hour(day), self._submit(a_call(self._random)))
            if day == STORM_DAY:
                for _ in range(STORM_CALLS):
                    self._later(self._hour(day), self._submit(storm_call(self._random), rain=True))
        whole = self.end - self.begin
        self._later(whole - timedelta(hours=1), self._submit(a_call(self._random, placed=False)))
        near = whole - LAST_HOURS
        for number in range(near // SCRAPE + 1):
            self._later(number * SCRAPE, self._scrape)
        for number in range(LAST_HOURS // CLOSE_SCRAPE + 1):
            self._later(near + number * CLOSE_SCRAPE, self._scrape)

    def _hour(self, day: int) -> timedelta:
        start = self.begin + timedelta(days=day)
        midnight = start.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        hour, minute = self._random.choice(HOURS), self._random.random() * 60
        at = midnight + timedelta(hours=hour, minutes=minute) - self.begin
        return max(at, timedelta(0))

    def _scrape(self) -> None:
        router, classifier = self._offices["router"], self._offices["classifier"]
        with working(router.database, self._rules, self._now) as work:
            fire_due(work, due_cases(work.writer, self._now))
        self._deliver()
        for office in self._offices.values():
            office.running.measure()
        gauges(router.database, self._rules)()
        measures(classifier.database)()
        seconds = int(self._now.timestamp())
        self.samples += (
            f"{line} {seconds}"
            for line in generate_latest(REGISTRY).decode().splitlines()
            if line.startswith("hotline_") and "_created" not in line
        )

    def _deliver(self) -> None:
        """Carry what was said from service to service until nobody has anything to say."""
        busy = True
        while busy:
            busy = False
            for office in self._offices.values():
                with office.database.engine.connect() as connection:
                    while office.relay.relay_once(connection):
                        busy = True
            records, self._courier.records = self._courier.records, []
            for office in self._offices.values():
                for topics, consumer in office.consumers:
                    batch = [
                        Received(record, 0, next(self._ids))
                        for record in records
                        if record.topic in topics
                    ]
                    if batch:
                        consumer.handle(batch)

    def _post(
        self, service: str, path: str, body: Json, role: Role, unit: str | None = None
    ) -> Json | None:
        """The answer; nothing where it is refused, which is written down."""
        answer = self._ask("POST", service, path, role, unit, body)
        if answer.status_code >= 400:
            self.books.refused[f"{answer.status_code} {path.rsplit('/', 1)[-1]}"] += 1
            return None
        found: Json = answer.json()
        return found

    def _ask(
        self, method: str, service: str, path: str, role: Role,
        unit: str | None = None, body: Json | None = None,
    ) -> httpx2.Response:  # fmt: skip
        token = issue_token(self._settings, role, unit=unit)
        headers = {"Authorization": f"Bearer {token}"}
        client = self._offices[service].client
        return self._loop.run(client.request(method, f"/api{path}", json=body, headers=headers))

    def _case(self, number: str) -> Json | None:
        answer = self._ask("GET", "router", f"/cases/{number}", Role.DISPATCHER)
        found: Json = answer.json()
        return found.get("case") if answer.status_code == 200 else None

    def _submit(self, call: Call, *, rain: bool = False) -> Callable[[], None]:
        def submit() -> None:
            caller = {"name": "王女士", "phone": call.phone}
            body = {"text": call.text, "channel": "hotline", "caller": caller}
            self._post("classifier", "/classify", {"text": call.text}, Role.OPERATOR)
            taken = self._post("intake", "/tickets", body, Role.OPERATOR)
            assert taken is not None, self.books.refused
            number = taken["number"]
            self.books.submitted[self._now.astimezone(SHANGHAI).date().isoformat()] += 1
            if rain:
                self.books.storm.add(number)
            self._deliver()
            self._work(number)

        return submit

    def _work(self, number: str) -> None:
        """Let whoever has the case go on with it."""
        case = self._case(number)
        if case is None:
            return
        state, lead = case["state"], case["lead_unit"]
        if state in ("manual_dispatch", "awaiting_info"):
            order = {"lead_unit": LATE, "note": "人工派单"}
            self._soon(1, 6, number, "redispatch", Role.DISPATCHER, None, order)
        elif state == "dispatched":
            returns = lead not in (LATE, "gas-heat") and self._random.random() < 0.06
            wait = self._until(case, "accept", lead)
            self._later(wait, (self._return if returns else self._accept)(number, lead))

    def _soon(
        self, least: float, most: float, number: str, command: str, role: Role,
        unit: str | None, body: Json,
    ) -> None:  # fmt: skip
        def act() -> None:
            if self._post("router", f"/cases/{number}/{command}", body, role, unit):
                self._deliver()
                self._work(number)

        self._later(timedelta(hours=self._random.uniform(least, most)), act)

    def _until(self, case: Json, kind: str, unit: str) -> timedelta:
        """When a unit gets round to it: well before this clock is due, or well after."""
        due = [
            datetime.fromisoformat(clock["due_at"])
            for clock in case["clocks"]
            if clock["kind"] == kind and clock["stopped_at"] is None
        ]
        left = max(due[0] - self._now, timedelta(minutes=5)) if due else timedelta(hours=2)
        if unit == LATE:
            return left + timedelta(hours=self._random.uniform(2, 40))
        return left * self._random.uniform(0.1, 0.8)

    def _return(self, number: str, unit: str) -> Callable[[], None]:
        def act() -> None:
            basis = {"reason_code": "not_ours", "basis": "三定方案", "proposed_owner": LATE}
            if not self._post("router", f"/cases/{number}/return", basis, Role.UNIT, unit):
                return
            upheld = self._random.random() < 0.5

            def rule() -> None:
                body = {"approve": upheld}
                if self._post("router", f"/cases/{number}/rule-return", body, Role.DISPATCHER):
                    self.books.returns.append((unit, self._now))
                    self._deliver()
                    self._work(number)

            self._later(timedelta(hours=2), rule)

        return act

    def _accept(self, number: str, unit: str) -> Callable[[], None]:
        def act() -> None:
            said: Json = {"note": "已签收"}
            if not self._post("router", f"/cases/{number}/accept", said, Role.UNIT, unit):
                return
            self._post("router", f"/cases/{number}/contact", said, Role.UNIT, unit)
            case = self._case(number)
            if case is None:
                return
            self._whistle(number, case)
            self._later(self._until(case, "resolve", unit), self._reply(number, unit))

        return act

    def _reply(self, number: str, unit: str) -> Callable[[], None]:
        def act() -> None:
            body: Json = {"note": "已到现场处理"}
            if not self._post("router", f"/cases/{number}/reply", body, Role.UNIT, unit):
                return
            self._post("router", f"/cases/{number}/verify", {}, Role.DISPATCHER)
            self._later(timedelta(hours=self._random.uniform(2, 24)), self._call_back(number, unit))

        return act

    def _call_back(self, number: str, unit: str) -> Callable[[], None]:
        def act() -> None:
            if self._random.random() < 0.1:
                body: Json = {"solved": False, "satisfaction": "unreached"}
                if self._post("intake", f"/tickets/{number}/callbacks", body, Role.OPERATOR):
                    self._later(timedelta(hours=30), self._call_back(number, unit))
                return
            solved = self._random.random() < (0.5 if unit == LATE else 0.9)
            pleased = self._random.random() < 0.85
            pleasing = "satisfied" if pleased else "basically"
            mood = pleasing if solved else "dissatisfied"
            body = {"solved": solved, "satisfaction": mood}
            if self._post("intake", f"/tickets/{number}/callbacks", body, Role.OPERATOR):
                self.books.answers[number] = (unit, solved, mood)
                self._deliver()
                if not solved:
                    self._work(number)

        return act

    def _whistle(self, number: str, case: Json) -> None:
        """A street that is left alone with stalls blows for those who may clear them."""
        street = case["place"]["street"]
        if case["leaf"] != "grid.street_order" or street == MUTE or self._random.random() > 0.4:
            return
        body = {
            "kind": "joint_enforcement", "lead": LATE, "assist": ["police"],
            "place": "小区门口", "evidence": "照片三张", "done_so_far": "街道已劝离四次",
            "action": "联合执法取缔", "basis": "街道吹哨事项清单第7项",
        }  # fmt: skip
        blown = self._post("router", f"/cases/{number}/whistles", body, Role.UNIT, street)
        if blown is None:
            return
        whistle = blown["whistle"]["number"]
        self._post("router", f"/whistles/{whistle}/sign", {}, Role.UNIT, street)
        if self._post("router", f"/whistles/{whistle}/dispatch", {}, Role.DISPATCHER):
            self.books.whistles[street] += 1
        for unit, hours in (("police", 0.2), (LATE, 60.0)):
            for step, command in enumerate(("acknowledge", "arrive", "handle"), 1):
                wait = timedelta(hours=hours * step)
                self._later(wait, self._answer(whistle, command, unit))
        self._later(timedelta(days=9), self._end(whistle, street))

    def _answer(self, whistle: str, command: str, unit: str) -> Callable[[], None]:
        body: Json = {"note": "已到场处置"}
        return lambda: (
            self._post("router", f"/whistles/{whistle}/{command}", body, Role.UNIT, unit),
            None,
        )[1]

    def _end(self, whistle: str, street: str) -> Callable[[], None]:
        def act() -> None:
            for command in ("confirm", "score", "close"):
                self._post("router", f"/whistles/{whistle}/{command}", {}, Role.UNIT, street)
            self._post("router", f"/whistles/{whistle}/score", {"necessary": True}, Role.DISPATCHER)

        return act


def _office(
    service: Service, settings: Settings, courier: Courier, stack: contextlib.ExitStack
) -> Office:
    prepare(settings, service.name)
    running = Running(service, settings, workers=False, api=True)
    runtime = running.runtime
    stack.callback(runtime.database.close)
    stack.callback(runtime.bus.close)
    stack.callback(running.parts.close)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(running.app), base_url="http://here")
    bus = cast(Bus, courier)
    consumers = [
        (
            frozenset(subscription.topics),
            ConsumerLoop(subscription, bus, runtime.database, {}, lambda: None),
        )
        for subscription in running.parts.subscriptions
    ]
    topics = all_topics(service, settings)
    runtime.bus.ensure_topics(topics)
    relay = Relay(service.name, runtime.database, bus, topics)
    return Office(running, runtime.database, client, consumers, relay)


def _keep_a_model(settings: Settings) -> None:
    """A small model that knows the matters of this district."""
    prepare(settings, "classifier")
    known = corpus_examples()
    few = [e for leaf in LEAVES for e in [e for e in known if e.leaf == leaf][:30]]
    model = train(few)
    home = settings.home / "classifier"
    home.mkdir(parents=True, exist_ok=True)
    write_model(model, model_file(home, model.version))
    database = Database(database_url(settings, "classifier"))
    with database.writing() as writer:
        begin_with(writer, model.version, datetime.now(UTC))
    database.close()


@contextlib.contextmanager
def lived(settings: Settings, end: datetime) -> Iterator[District]:
    """The district at the end of its days, with its databases still there."""
    _keep_a_model(settings)
    courier = Courier()
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner())
        offices = {
            service.name: _office(service, settings, courier, stack)
            for service in (INTAKE, CLASSIFIER, ROUTER)
        }
        district = District(settings, offices, courier, loop, end)
        district.live()
        yield district
