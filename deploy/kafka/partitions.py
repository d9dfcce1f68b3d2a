"""More partitions for Kafka topics that are in use, so that more workers can share the work.

    python -m deploy.kafka.partitions 16 [--topic hotline.tickets]… [--leave-out GROUP]…

With more partitions a ticket's key falls into another one, and what is said there now could
overtake what lies unread in the old one. So the relays pause, all groups read to the end, the
partitions are added, and the relays begin anew. Tickets are accepted all the while and wait in
the outboxes. Where a group does not come to the end in time nothing is changed.
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from kafka import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError, KafkaError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.classifier.service import CLASSIFIER
from services.intake.service import INTAKE
from services.router.service import ROUTER
from shared.bus import Bus, BusUnavailable
from shared.bus.connect import connect_bus
from shared.commands import refuse
from shared.database import Database
from shared.events import CASES, CLASSIFICATIONS, TICKETS, WHISTLES
from shared.postgres import database_url
from shared.relay import relay_paused
from shared.settings import Settings, load_settings

SERVICES: Final = (INTAKE, CLASSIFIER, ROUTER)
SHARED: Final = (TICKETS, CLASSIFICATIONS, CASES, WHISTLES)
"""The topics whose partitions may grow. A unit's queue stays in one, for its numbers' sake."""
READERS: Final[Mapping[str, Sequence[str]]] = {
    "intake.projection": (CLASSIFICATIONS, CASES, WHISTLES),
    "classifier.tickets": (TICKETS,),
    "classifier.cases": (CASES, WHISTLES),
    "router.cases": (CLASSIFICATIONS,),
    "router.callers": (TICKETS,),
}
"""The services' groups, which count even where they have never read."""
LOOK_SECONDS: Final = 0.5
SPREAD_SECONDS: Final = 3.0
"""How long brokers take at most to hear of new partitions from each other."""


class GrowError(Exception):
    """The topics cannot grow now; the sentence says why, and nothing has changed."""


def grow(
    bus: Bus,
    admin: Any,
    databases: Collection[Database],
    wanted: Mapping[str, int],
    readers: Mapping[str, Sequence[str]],
    seconds: float,
) -> None:
    """Give topics so many partitions once the readers, by group, have read them to the end.

    Raises GrowError, and BusUnavailable, DBAPIError or KafkaError with nothing changed either.
    """
    with contextlib.ExitStack() as paused:
        held = [paused.enter_context(relay_paused(database)) for database in databases]
        _wait_until_read(bus, readers, seconds)
        for connection in held:
            connection.execute(text("SELECT 1"))  # fails where the pause has been lost meanwhile
            connection.commit()
        admin.create_partitions(dict(wanted))
        while partitions_of(admin, wanted) != wanted:
            time.sleep(LOOK_SECONDS)
        # A relay may ask any broker how many there are.
        time.sleep(SPREAD_SECONDS)


def _wait_until_read(bus: Bus, readers: Mapping[str, Sequence[str]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    behind: dict[str, int] = dict.fromkeys(readers, 1)
    while behind:
        # Nothing is published: who has come to the end stays there.
        lags = {group: sum(bus.lag(group, readers[group]).values()) for group in behind}
        behind = {group: lag for group, lag in lags.items() if lag}
        if behind and time.monotonic() > deadline:
            told = "、".join(f"{group} 还差 {lag} 条" for group, lag in behind.items())
            raise GrowError(f"{seconds:.0f} 秒内没有读完：{told}；分区没有变")
        if behind:
            time.sleep(LOOK_SECONDS)


def partitions_of(admin: Any, topics: Collection[str]) -> Mapping[str, int]:
    """How many partitions these topics have now."""
    found = admin.describe_topics(list(topics))
    return {topic["name"]: len(topic["partitions"]) for topic in found if topic["partitions"]}


def groups_reading(admin: Any, topics: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Every group that has committed something of these topics, and which of them.

    Of groups that this user may not look at nothing is known: they are told, and left out.
    """
    found = {}
    for group in (each["group_id"] for each in admin.list_groups()):
        try:
            places = admin.list_group_offsets([group]).get(group, {})
        except GroupAuthorizationFailedError:
            typer.echo(f"无权查看消费组 {group} 读到哪里，不等它", err=True)
            continue
        if read := {place.topic for place in places} & set(topics):
            found[group] = sorted(read)
    return found


def main(
    count: Annotated[int, typer.Argument(min=1, max=512, help="每个主题的分区数")],
    topic: Annotated[
        list[str] | None, typer.Option(help="只加这些主题；缺省为四个公用主题")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="不等这些消费组：它们的先后次序不再有保证")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="最多等各消费组读完多少秒")] = 300,
) -> None:
    """给正在使用的主题增加分区，每件工单的事件先后不变；服务照常运行。"""
    settings = load_settings()
    if settings.kafka is None:
        refuse("请先设置 HOTLINE_KAFKA")
    topics = topic or list(SHARED)
    if strange := set(topics) - set(SHARED):
        refuse(f"只能给 {'、'.join(SHARED)} 加分区，不能给 {'、'.join(sorted(strange))}")
    bus = connect_bus(settings)
    try:
        with _admin(settings) as admin, _databases() as databases:
            present = partitions_of(admin, topics)
            wanted = {name: count for name in topics if present.get(name, 0) < count}
            readers = {
                **groups_reading(admin, wanted),
                **{group: sorted(set(read) & set(wanted)) for group, read in READERS.items()},
            }
            waited = {
                group: read
                for group, read in readers.items()
                if read and group not in (leave_out or ())
            }
            if wanted:
                grow(bus, admin, databases, wanted, waited, seconds)
    except GrowError as error:
        refuse(str(error))
    except (BusUnavailable, KafkaError, DBAPIError) as error:
        refuse(f"Kafka 或数据库不能用：{str(error).splitlines()[0]}；可用时再运行一次")
    finally:
        bus.close()
    for name in topics:
        typer.echo(f"{name}  {present.get(name, 0)} → {wanted.get(name, present.get(name, 0))}")
    typer.echo("十秒内各 worker 会分到新的分区；请把 HOTLINE_PARTITIONS 改成同样的数")


@contextlib.contextmanager
def _admin(settings: Settings) -> Iterator[Any]:
    brokers = (settings.kafka or "").split(",")
    client = KafkaAdminClient(bootstrap_servers=brokers, **settings.kafka_client())
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def _databases() -> Iterator[Sequence[Database]]:
    settings = load_settings()
    databases = [Database(database_url(settings, service.name)) for service in SERVICES]
    try:
        yield databases
    finally:
        for database in databases:
            database.close()


if __name__ == "__main__":
    typer.run(main)
