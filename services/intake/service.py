"""Intake as a service: its routes, what it listens to, and what it measures."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter
from sqlalchemy import text

from services.intake import api, callbacks, glance, lists
from services.intake.api import Desk
from services.intake.express import Express
from services.intake.group_commit import GroupCommit
from services.intake.imports import api as imports
from services.intake.imports.running import Importer
from services.intake.projection import apply
from services.intake.retention import EVERY_SECONDS, forgetting
from services.intake.said_again import say_again
from services.intake.storing import Store
from services.intake.vault import Vault
from shared.consume import Subscription
from shared.database import Writer
from shared.envelope import Message
from shared.events import CASES, CLASSIFICATIONS, WHISTLES
from shared.metrics import TICKETS_BY_STATUS
from shared.service import Parts, Runtime, Service, Task
from shared.units import unit_names

IMPORT_SECONDS: Final = 1.0
"""How long the importer waits where there is nothing to take in, or calls go first."""


def routes() -> APIRouter:
    """Every route; what names a collection comes before what names a ticket."""
    whole = APIRouter()
    for part in (lists, callbacks, api, glance, imports):
        whole.include_router(part.router)
    return whole


def build(runtime: Runtime) -> Parts:
    """Intake's parts."""
    vault = Vault(runtime.settings)
    prefix = runtime.settings.number_prefix
    store = Store(runtime.database.url, vault, prefix)
    commit = GroupCommit(store, runtime.relay)

    units = unit_names(runtime.settings.policy_dir)
    desk = Desk(runtime.database, commit, vault, runtime.relay, units)
    beside = GroupCommit(Store(runtime.database.url, vault, prefix), runtime.relay)
    importer = Importer(runtime.database, vault, beside)

    def count_tickets() -> None:
        query = "SELECT status, count(*) FROM ticket WHERE status <> 'closed' GROUP BY status"
        with runtime.database.reading() as reader:
            counts = dict(reader.execute(text(query)).all())
        TICKETS_BY_STATUS.clear()
        for status, count in counts.items():
            TICKETS_BY_STATUS.labels(status).set(count)

    def close() -> None:
        commit.close()
        importer.close()

    return Parts(
        router=routes(),
        state=desk,
        subscriptions=[Subscription("intake.projection", (CLASSIFICATIONS, CASES, WHISTLES), hear)],
        tasks=[
            Task("intake-retention", forgetting(runtime.database, runtime.terms), EVERY_SECONDS),
            Task("intake-imports", importer.step, IMPORT_SECONDS),
        ],
        measure=count_tickets,
        close=close,
        shortcut=partial(Express, authority=runtime.authority, desk=desk),
    )


def hear(writer: Writer, messages: Sequence[Message]) -> None:
    """Take over what the others say, and say again what they miss."""
    apply(writer, messages)
    say_again(writer, messages)


INTAKE = Service(name="intake", title="8890 热线受理", build=build)
