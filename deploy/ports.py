"""Free ports for servers that tests, the demo and the benchmark start."""

import contextlib
import socket
from collections.abc import Sequence


def free_ports(count: int) -> Sequence[int]:
    """Ports of this machine that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
