"""From the embedded bus to Kafka with tickets in flight, in one command.

    HOTLINE_KAFKA=host:port,… python -m deploy.kafka.move

All workers are stopped before and started after it with `HOTLINE_KAFKA` set. What the embedded log
keeps goes to Kafka in order for each ticket, under its event ids, marked with the groups that had
done it; what waits in the outboxes follows when the workers start. The embedded bus then refuses
to be used. A move that was broken off is finished by the same command.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import psycopg
import typer

from services.classifier.service import CLASSIFIER
from services.intake.service import INTAKE
from services.router.service import ROUTER
from shared.bus import Bus, BusUnavailable
from shared.bus.connect import connect_bus
from shared.bus.embedded import EmbeddedBus
from shared.bus.leaving import (
    MOVER,
    carry,
    close_for,
    living_groups,
    moved_to,
    positions_of,
    topics_of,
)
from shared.commands import refuse
from shared.postgres import database_url, libpq
from shared.relay import ELECT
from shared.service import all_topics
from shared.settings import Settings, load_settings

SERVICES: Final = (INTAKE, CLASSIFIER, ROUTER)
START_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0


class MoveError(Exception):
    """The bus cannot be moved now; the sentence says why, and nothing has changed."""


def move(settings: Settings, target: Bus, name: str) -> Mapping[str, int]:
    """Carry the embedded log to the bus of this name; the records of each topic.

    Raises MoveError, and BusUnavailable where the move has to be finished later.
    """
    address = libpq(database_url(settings, "bus"))
    source = EmbeddedBus(address)
    with no_workers(settings), psycopg.connect(address, autocommit=True) as connection:
        with contextlib.suppress(BusUnavailable):  # it says that the move has begun before
            source.ensure_topics({})
        if groups := living_groups(connection):
            raise MoveError(f"还有 worker 在读嵌入式总线：{'、'.join(groups)}；请先停下所有进程")
        begun = moved_to(connection)
        if begun is not None and begun != name:
            raise MoveError(f"这条总线正在迁往或已迁往 {begun}，不能再迁往别处")
        topics = {
            **topics_of(connection),
            **{topic: n for each in SERVICES for topic, n in all_topics(each, settings).items()},
        }
        target.ensure_topics(topics)
        if begun is None:
            # Whatever was said there already would come before what is carried.
            there = records_on(target, list(topics))
            if there:
                raise MoveError(
                    f"目标的主题里已有 {there} 条记录；请迁往空的 Kafka，或先删去这些主题"
                )
            close_for(connection, name)
        positions = positions_of(connection)
        return {topic: carry(source, target, topic, positions) for topic in sorted(topics)}


@contextlib.contextmanager
def no_workers(settings: Settings) -> Iterator[None]:
    """Hold what a worker must hold to publish, in every service. Raises MoveError."""
    with contextlib.ExitStack() as held:
        for service in SERVICES:
            address = libpq(database_url(settings, service.name))
            connection = held.enter_context(psycopg.connect(address, autocommit=True))
            if connection.execute(str(ELECT).encode()).fetchone() != (True,):
                raise MoveError(f"{service.name} 的 worker 还在运行；请先停下所有进程")
        yield


def records_on(bus: Bus, topics: Sequence[str]) -> int:
    """How many records lie there; a Kafka that has just started takes a while to say. Raises
    BusUnavailable."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return sum(bus.lag(MOVER, topics).values())
        except BusUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    """把嵌入式总线上的全部事件迁到 HOTLINE_KAFKA；须先停下所有进程。"""
    settings = load_settings()
    if settings.kafka is None:
        refuse("请先设置 HOTLINE_KAFKA")
    target = connect_bus(settings)
    try:
        carried = move(settings, target, settings.kafka)
    except MoveError as error:
        refuse(str(error))
    except psycopg.Error as error:
        refuse(f"数据库不能用，或还没有 migrate：{str(error).splitlines()[0]}")
    except BusUnavailable as error:
        refuse(f"Kafka 不能用：{error}；可用时再运行一次，会接着迁完")
    finally:
        target.close()
    for topic, count in carried.items():
        if count:
            typer.echo(f"{topic}  {count}")
    typer.echo(f"已迁 {sum(carried.values())} 条；请以 HOTLINE_KAFKA={settings.kafka} 启动所有进程")


if __name__ == "__main__":
    typer.run(main)
