"""What a process with configured logs writes to standard output."""

import contextlib
import io
import logging
from collections.abc import Iterator

import structlog

from shared.logs import configure_logs


@contextlib.contextmanager
def captured_logs(service: str, level: str = "INFO") -> Iterator[io.StringIO]:
    """Standard output with logs configured as a service does; put back afterwards."""
    handlers, before = list(logging.root.handlers), logging.root.level
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        configure_logs(service, level)
    try:
        yield output
    finally:
        logging.root.handlers = handlers
        logging.root.setLevel(before)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
