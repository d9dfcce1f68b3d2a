"""What Grafana would ask: each panel's queries with macros and variables filled in, and answers."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg

Json = dict[str, Any]

FOLDER: Final = Path("deploy/grafana/dashboards")
POINTS: Final = 200
"""About as many points as a panel is wide."""


@dataclass(frozen=True)
class Panel:
    """One panel's query: where it stands, how it is asked, and which source it goes to."""

    board: str
    title: str
    kind: str
    source: str
    target: Json

    def __str__(self) -> str:
        return f"{self.board} · {self.title}"


@dataclass(frozen=True)
class Asked:
    """What fills the variables: the time shown, the scrape interval, the chosen values."""

    end: datetime
    since: timedelta
    scrape: timedelta
    chosen: Mapping[str, str]


def panels() -> Iterator[Panel]:
    """Every query of every panel of every dashboard."""
    for path in sorted(FOLDER.glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                source = (target.get("datasource") or panel["datasource"])["uid"]
                yield Panel(board["title"], panel["title"], panel["type"], source, target)


def filled(query: str, asked: Asked, *, sql: bool) -> str:
    """The query as Grafana sends it. Fails on anything it would not fill in."""
    step = max(asked.since / POINTS, asked.scrape)
    rate = max(step + asked.scrape, 4 * asked.scrape)
    begin = asked.end - asked.since
    said = query.replace("$__rate_interval", f"{int(rate.total_seconds())}s")
    said = said.replace("$__timeFrom()", f"'{_iso(begin)}'").replace(
        "$__timeTo()", f"'{_iso(asked.end)}'"
    )
    said = re.sub(
        r"\$__timeFilter\(([^)]*)\)",
        lambda found: f"{found[1]} BETWEEN '{_iso(begin)}' AND '{_iso(asked.end)}'",
        said,
    )
    for name, value in asked.chosen.items():
        said = said.replace(f"${{{name}:sqlstring}}", f"'{value}'")
        said = said.replace(f"${{{name}:regex}}", value).replace(f"${{{name}:raw}}", value)
    assert "${" not in said, said
    assert not re.search(r"\$\w", said), said
    assert sql or "'" not in said
    return said


def rows_of(panel: Panel, asked: Asked, databases: Mapping[str, str]) -> list[Json]:
    """What a PostgreSQL panel shows, asked as the reporting role."""
    with psycopg.connect(databases[panel.source], autocommit=True) as connection:
        connection.execute("SET ROLE hotline_reporting")
        connection.execute("SET default_transaction_read_only = on")
        cursor = connection.execute(filled(panel.target["rawSql"], asked, sql=True))
        assert cursor.description is not None
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def series_of(panel: Panel, asked: Asked, prometheus: str) -> list[Json]:
    """What a Prometheus panel shows: each series with its labels and values."""
    expr = filled(panel.target["expr"], asked, sql=False)
    if panel.target.get("instant"):
        question = {"query": expr, "time": asked.end.timestamp()}
        return _ask(f"{prometheus}/api/v1/query", question)
    step = max(asked.since / POINTS, asked.scrape).total_seconds()
    begin = (asked.end - asked.since).timestamp()
    question = {"query": expr, "start": begin, "end": asked.end.timestamp(), "step": step}
    return _ask(f"{prometheus}/api/v1/query_range", question)


def _ask(url: str, question: Mapping[str, object]) -> list[Json]:
    with urlopen(f"{url}?{urlencode(question)}", timeout=30) as answer:  # noqa: S310
        said = json.load(answer)
    assert said["status"] == "success", said
    found: list[Json] = said["data"]["result"]
    return found


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
