"""Logs: one JSON object a line, and nothing personal in any of it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.envelope import CURRENT_TRACE
from tests.shared.captured_logs import captured_logs

PHONE = "13820001234"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Standard output of intake."""
    with captured_logs("intake") as output:
        yield output


def logged(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_values_as_fields(
    lines: io.StringIO,
) -> None:
    token = CURRENT_TRACE.set("00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    structlog.contextvars.bind_contextvars(request_id="12345678901234567890123456789012")
    structlog.get_logger().info("commit_failed", tickets=3, ratio=0.5, ok=True, cause=None)
    CURRENT_TRACE.reset(token)
    (line,) = logged(lines)
    assert line["event"] == "commit_failed"
    assert (line["tickets"], line["ratio"], line["ok"], line["cause"]) == (3, 0.5, True, None)
    assert (line["service"], line["level"]) == ("intake", "info")
    assert line["trace"] == "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    assert line["request_id"] == "12345678901234567890123456789012"
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "value",
    [
        PHONE,
        f"call {PHONE} now",
        [PHONE],
        {"phone": PHONE},
        {PHONE: 1},
        {"deep": [{"deeper": (PHONE, f"zhang{PHONE}@qq.com")}]},
        ValueError(PHONE),
    ],
)
def test_a_personal_value_is_redacted_however_deep(lines: io.StringIO, value: object) -> None:
    structlog.get_logger().warning(f"heard {PHONE}", value=value)
    output = lines.getvalue()
    assert PHONE not in output
    assert "【电话】" in output


def test_what_libraries_log_is_redacted_too(lines: io.StringIO) -> None:
    logging.getLogger("sqlalchemy").error("failed for %s", PHONE)
    (line,) = logged(lines)
    assert (line["event"], line["level"]) == ("failed for 【电话】", "error")


def test_a_traceback_is_one_field_and_redacted(lines: io.StringIO) -> None:
    for log in (structlog.get_logger().exception, logging.getLogger("uvicorn.error").exception):
        try:
            raise ValueError(f"no such caller: {PHONE}")
        except ValueError:
            log("failed")
    assert len(logged(lines)) == 2
    for line in logged(lines):
        assert "ValueError: no such caller: 【电话】" in str(line["exception"])


def test_a_ticket_number_stays_readable(lines: io.StringIO) -> None:
    structlog.get_logger().info("message_parked", key="NK20261123-000001", offset=13820001234)
    (line,) = logged(lines)
    assert line["key"] == "NK20261123-000001"
    assert line["offset"] == 13820001234
