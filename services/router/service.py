"""The router as a service: routes, what it listens to, its clockwork and its gauges."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter

from services.router.clockwork import PAUSE_SECONDS, Clockwork
from services.router.domain.routing import Rules
from services.router.domain.webhooks import networks_of
from services.router.gauges import gauges
from services.router.handling import CALLERS_WORDS, caller_handler, classified_handler
from services.router.http import (
    case_files,
    case_lists,
    cases,
    incidents,
    queues,
    webhooks,
    whistles,
)
from services.router.http.centre import Centre
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.policy.units import load_units
from services.router.reconcile import LOOK_SECONDS, reconciling
from services.router.retention import EVERY_SECONDS, forgetting
from services.router.storage.counterparts import counterparts
from services.router.storage.queues import QueueWatch
from services.router.storage.webhook_secrets import SEAL_SECONDS, sealing, webhook_seals
from services.router.trusted_time import TrustedTime
from services.router.webhooks import Webhooks
from shared.calendar import load_calendar
from shared.consume import Subscription
from shared.events import CLASSIFICATIONS, TICKETS, queue_topic
from shared.service import Parts, Runtime, Service, Task
from shared.settings import Settings

WEBHOOK_SECONDS: Final = 0.5
"""How long the webhooks wait where there is nothing to tell."""


def load_rules(settings: Settings) -> Rules:
    """The policy and the calendar of this installation. Raises PolicyError, CalendarError."""
    return Rules(load_policy(settings.policy_dir or POLICY_DIRECTORY), load_calendar())


def queue_topics(settings: Settings) -> Mapping[str, int]:
    """One topic for each unit; a single partition keeps a unit's queue in order."""
    units = load_units(settings.policy_dir or POLICY_DIRECTORY)
    return {queue_topic(unit): 1 for unit in units}


def routes() -> APIRouter:
    """Every route; what names a collection comes before the commands on a case."""
    whole = APIRouter()
    for part in (whistles, incidents, webhooks, queues, case_lists, case_files, cases):
        whole.include_router(part.router)
    return whole


def build(runtime: Runtime) -> Parts:
    """The router's parts."""
    rules = load_rules(runtime.settings)
    database, relay = runtime.database, runtime.relay

    both = counterparts(runtime.settings, database)
    trusted = TrustedTime()
    rounds = Clockwork(database, rules, relay, trusted)
    clockwork = Task("router.clockwork", rounds.step, PAUSE_SECONDS)
    reconciliation = Task("router.reconcile", reconciling(both, rules, relay), LOOK_SECONDS)
    allowed = networks_of(runtime.settings.webhook_networks)
    seals = webhook_seals(runtime.settings)
    telling = Webhooks(database, allowed, seals)

    def close() -> None:
        both.close()
        telling.close()

    return Parts(
        router=routes(),
        state=Centre(database, rules, QueueWatch(database), relay, seals, allowed),
        subscriptions=[
            Subscription("router.cases", (CLASSIFICATIONS,), classified_handler(rules)),
            Subscription("router.callers", (TICKETS,), caller_handler(rules), CALLERS_WORDS),
        ],
        tasks=[
            clockwork,
            reconciliation,
            Task("router.webhooks", telling.step, WEBHOOK_SECONDS),
            Task("router.secrets", sealing(database, seals), SEAL_SECONDS),
            Task("router.retention", forgetting(database, runtime.terms), EVERY_SECONDS),
        ],
        checks={"clock": trusted.believed},
        measure=gauges(database, rules),
        close=close,
    )


ROUTER = Service(name="router", title="街道吹哨、部门报到：派单", build=build, topics=queue_topics)
