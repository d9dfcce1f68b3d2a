"""The load generator, in a process of its own: `python -m deploy.load.client`.

Reads a list of jobs as JSON from its standard input, does them one after the other, and
writes what it saw of each to its standard output.
"""

import asyncio
import gc
import itertools
import json
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Final

import uvloop

from deploy.load.jobs import Job, Seen
from deploy.load.texts import Mix, body
from deploy.load.wire import NUMBER, Answered, Connection, EventStream, Link, Lost, get, post

TICKETS: Final = "/api/tickets"
SPARE_PER_SECOND: Final = 8000
"""Requests made ready for each second of a job: more than the server can answer."""
GRACE_SECONDS: Final = 15.0
"""How long a job waits for its last answers."""
LOOK_SECONDS: Final = 0.05
QUIET_SECONDS: Final = 1.0
"""A stream first tells what stands in the queue already; loading begins when all are silent."""


class ClosedLoop:
    """Clients that wait for each answer before they send again."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = requests_of(job)
        self._left = job.count
        self._over = asyncio.Event()
        self._start = self._end = 0.0
        self.seen = Seen()

    async def run(self) -> None:
        """Load the server."""
        connections = await connect(self._job, self._answered, self._lost)
        cpu = time.process_time()
        self.seen.began = self._start = monotonic() + self._job.warm
        self._end = self._start + self._job.seconds
        for connection in connections:
            connection.send(next(self._requests), monotonic())
        await asyncio.wait_for(
            self._over.wait(), self._job.warm + self._job.seconds + GRACE_SECONDS
        )
        self.seen.elapsed = min(monotonic(), self._end) - self._start
        self.seen.own_cpu_seconds = time.process_time() - cpu
        close(connections)

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        now = monotonic()
        if connection.sent_at >= self._start and now <= self._end:
            self.seen.latencies.append(int((now - connection.sent_at) * 1e6))
            self.seen.count(status)
        if self._left is not None:
            self._left -= 1
        if now >= self._end or self._left == 0:
            self._over.set()
        elif self._left is None or self._left >= self._job.clients:
            connection.send(next(self._requests), now)

    def _lost(self) -> None:
        self.seen.lost_connections += not self._over.is_set()
        self._over.set()


class Paced:
    """Tickets at a fixed rate, and readers who watch the units' queues for them.

    A ticket's times count from when it was due to be sent, so that a server that keeps the
    generator waiting does not look better for it.
    """

    def __init__(self, job: Job, rate: float) -> None:
        self._job = job
        self._rate = rate
        self._requests = requests_of(job)
        self._count = int(rate * job.seconds)
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._sent: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        self._closing = False
        self._heard = monotonic()
        self.seen = Seen()

    async def run(self) -> None:
        """Open the streams, send the tickets, and wait until all are seen or time is up."""
        streams = await self._watch()
        while monotonic() < self._heard + QUIET_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
        connections = await connect(self._job, self._answered, self._lost)
        self._free.extend(connections)
        cpu = time.process_time()
        self.seen.began = monotonic() + 0.1
        self._schedule(self.seen.began)
        limit = self.seen.began + self._job.seconds + GRACE_SECONDS
        while monotonic() < limit and not self._complete():
            await asyncio.sleep(LOOK_SECONDS)
        self.seen.elapsed = monotonic() - self.seen.began
        self.seen.own_cpu_seconds = time.process_time() - cpu
        arrived = self._arrived
        self.seen.journeys = [
            int((arrived[number] - at) * 1e6)
            for number, at in self._sent.items()
            if number in arrived
        ]
        self.seen.unseen = self._count - len(self.seen.journeys)
        self._closing = True
        close((*connections, *streams))

    def _schedule(self, began: float) -> None:
        loop = asyncio.get_running_loop()
        ahead = loop.time() - monotonic()
        for i in range(self._count):
            due = began + i / self._rate
            loop.call_at(due + ahead, self._submit, next(self._requests), due)

    def _submit(self, request: bytes, due: float) -> None:
        if self._free:
            # The one that rested longest: the server closes those that rest for seconds.
            self._free.popleft().send(request, due)
        else:
            self._waiting.append((request, due))

    def _answered(self, connection: Connection, status: int, answer: bytes) -> None:
        self.seen.count(status)
        self.seen.latencies.append(int((monotonic() - connection.sent_at) * 1e6))
        if (number := NUMBER.search(answer)) is not None:
            self._sent[number[1].decode()] = connection.sent_at
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def _complete(self) -> bool:
        answered = len(self.seen.latencies) == self._count
        return answered and self._sent.keys() <= self._arrived.keys()

    def _lost(self) -> None:
        self.seen.lost_connections += not self._closing

    def _saw(self, number: str) -> None:
        self._heard = monotonic()
        self._arrived.setdefault(number, self._heard)

    async def _watch(self) -> Sequence[EventStream]:
        """Open the streams. Raises ConnectionError where one is refused."""
        loop = asyncio.get_running_loop()
        streams = []
        for path in self._job.streams:
            request = get(path, self._job.stream_token)
            opening = partial(EventStream, request, self._saw)
            _, stream = await loop.create_connection(opening, "127.0.0.1", self._job.stream_port)
            streams.append(stream)
        for path, stream in zip(self._job.streams, streams, strict=True):
            if (status := await asyncio.wait_for(stream.opened, GRACE_SECONDS)) != 200:
                raise ConnectionError(f"{path} answered {status}")
        return streams


def requests_of(job: Job) -> Iterator[bytes]:
    """The requests of a job; tickets are all made ready before it starts."""
    if job.path is not None:
        return itertools.repeat(get(job.path, job.token))
    source = random.Random(job.seed)
    count = job.count or int((job.warm + job.seconds) * (job.rate or SPARE_PER_SECOND))
    return iter(
        [post(TICKETS, job.token, body(source, job.mix)) for _ in range(count + job.clients)]
    )


async def connect(job: Job, answered: Answered, lost: Lost) -> Sequence[Connection]:
    """One connection for each client of a job."""
    loop = asyncio.get_running_loop()
    opening = partial(Connection, answered, lost)
    pairs = [
        await loop.create_connection(opening, "127.0.0.1", job.port) for _ in range(job.clients)
    ]
    return [connection for _, connection in pairs]


def close(links: Sequence[Link]) -> None:
    """Close connections."""
    for link in links:
        link.close()


async def do(job: Job) -> Seen:
    """Do one job."""
    load = ClosedLoop(job) if job.rate is None else Paced(job, job.rate)
    await load.run()
    return load.seen


def main() -> None:
    """Jobs in, what was seen out."""
    jobs = [Job(**{**job, "mix": Mix(job["mix"])}) for job in json.load(sys.stdin)]
    gc.disable()
    seen = []
    for job in jobs:
        seen.append(vars(uvloop.run(do(job))))
        gc.collect()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
