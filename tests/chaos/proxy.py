"""A TCP proxy that can fall silent, slow down, forget its connections, or hang up.

Silence keeps connections open and takes new ones: who has no deadline of their own waits for
ever, as on a network that drops packets and says nothing.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from enum import Enum, auto
from types import TracebackType
from typing import Any, Final, Self

CHUNK: Final = 65_536
GIVE_UP_SECONDS: Final = 10.0

Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Manner(Enum):
    """How a proxy treats what passes through it."""

    OPEN = auto()
    SILENT = auto()
    SLOW = auto()
    CUT = auto()


class Network:
    """The event loop that all proxies of an installation share, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxies: list[Proxy] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="network")

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """Have something done on the loop, and wait for it."""
        done: Future[None] = asyncio.run_coroutine_threadsafe(step, self._loop)
        done.result(GIVE_UP_SECONDS)

    def proxy(self, port: int, server: int) -> "Proxy":
        """A new proxy, which takes connections at once."""
        made = Proxy(self, port, server)
        self.do(made.listen())
        self._proxies.append(made)
        return made

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for proxy in self._proxies:
            self.do(proxy.close())
        self.do(asyncio.sleep(0.1))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GIVE_UP_SECONDS)
        self._loop.close()


class Proxy:
    """Passes connections on `port` through to a server on this machine, in its manner.

    Its methods may be called from any thread; `listen` and `close` belong to the network.
    """

    def __init__(self, network: Network, port: int, server: int) -> None:
        self.port = port
        self._network = network
        self._server = server
        self._manner = Manner.OPEN
        self._delay = 0.0
        self._passing = asyncio.Event()
        self._pairs: set[Pair] = set()
        self._dead: set[asyncio.StreamWriter] = set()
        self._listening: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections from now on."""
        self._passing.set()
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Take no more connections and end those there are."""
        if self._listening is not None:
            self._listening.close()
        self._passing.set()
        self._hang_up(self._pairs)

    def treat(self, manner: Manner, *, delay: float = 0.0) -> None:
        """Change the manner, for what is connected as well; `delay` goes with SLOW, in seconds."""

        async def change() -> None:
            self._manner, self._delay = manner, delay
            if manner is Manner.SILENT:
                self._passing.clear()
            else:
                self._passing.set()
            if manner is Manner.CUT:
                self._hang_up(self._pairs)

        self._network.do(change())

    def forget(self) -> None:
        """Pass nothing more on what is connected now, while new connections work."""

        async def change() -> None:
            self._dead.update(writer for pair in self._pairs for writer in pair)

        self._network.do(change())

    def hang_up_forgotten(self) -> None:
        """End the connections that were forgotten."""

        async def change() -> None:
            self._hang_up({pair for pair in self._pairs if not self._dead.isdisjoint(pair)})

        self._network.do(change())

    def _hang_up(self, pairs: set[Pair]) -> None:
        for pair in list(pairs):
            for writer in pair:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        if self._manner is Manner.CUT:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, back)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass(reader, back))
                ways.create_task(self._pass(there, writer))
        except* OSError:
            pass
        finally:
            self._pairs.discard(pair)
            self._dead.difference_update(pair)
            self._hang_up({pair})

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self._manner is Manner.SLOW:
                await asyncio.sleep(self._delay)
            await self._passing.wait()
            if writer in self._dead:
                continue
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
