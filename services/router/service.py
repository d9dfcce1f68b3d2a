"""The router as a service: routes, what it listens to, its clockwork and its gauges."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from services.router.api import Centre, router
from services.router.clockwork import PAUSE_SECONDS, clock_step
from services.router.dispatching import Rules
from services.router.handling import CALLERS_WORDS, caller_handler, classified_handler
from services.router.policy import POLICY_DIRECTORY, load_policy
from services.router.queues import QueueWatch
from shared.calendar import SHANGHAI, days_to_horizon, load_calendar
from shared.consume import Subscription
from shared.events import CLASSIFICATIONS, TICKETS, queue_topic
from shared.metrics import CALENDAR_HORIZON_DAYS, CASES_OPEN, QUEUE_OPEN
from shared.service import Parts, Runtime, Service, Task
from shared.settings import Settings

OPEN_CASES = text("SELECT state, count(*) FROM case_record WHERE state <> 'closed' GROUP BY state")
OPEN_ENTRIES = text("SELECT unit, count(*) FROM queue_entry WHERE open GROUP BY unit")


def load_rules(settings: Settings) -> Rules:
    """The policy and the calendar of this installation. Raises PolicyError, CalendarError."""
    return Rules(load_policy(settings.policy_dir or POLICY_DIRECTORY), load_calendar())


def queue_topics(settings: Settings) -> Mapping[str, int]:
    """One topic for each unit; a single partition keeps a unit's queue in order."""
    return {queue_topic(unit): 1 for unit in load_rules(settings).policy.units}


def build(runtime: Runtime) -> Parts:
    """The router's parts."""
    rules = load_rules(runtime.settings)
    database, relay = runtime.database, runtime.relay

    def measure() -> None:
        with database.reading() as reader:
            states = reader.execute(OPEN_CASES).all()
            queues = reader.execute(OPEN_ENTRIES).all()
        CASES_OPEN.clear()
        for state, count in states:
            CASES_OPEN.labels(state).set(count)
        for unit in rules.policy.units:
            QUEUE_OPEN.labels(unit).set(0)
        for unit, count in queues:
            QUEUE_OPEN.labels(unit).set(count)
        today = datetime.now(SHANGHAI).date()
        CALENDAR_HORIZON_DAYS.set(days_to_horizon(rules.calendar, today))

    clockwork = Task(
        "router.clockwork", lambda: clock_step(database, rules.calendar, relay), PAUSE_SECONDS
    )
    return Parts(
        router=router,
        state=Centre(database, rules, QueueWatch(database), relay),
        subscriptions=[
            Subscription("router.cases", (CLASSIFICATIONS,), classified_handler(rules)),
            Subscription("router.callers", (TICKETS,), caller_handler(rules), CALLERS_WORDS),
        ],
        tasks=[clockwork],
        measure=measure,
    )


ROUTER = Service(name="router", title="街道吹哨、部门报到：派单", build=build, topics=queue_topics)
