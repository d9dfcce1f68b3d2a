"""What tickets cost in disk: bytes by table, before and after retention, and the log written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from rich.table import Table

from shared.postgres import database_url, libpq
from shared.settings import Settings

OWNERS: Final = ("intake", "classifier", "router", "bus")
SIZES: Final = """
SELECT coalesce(whole.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = i.inhparent
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
GROUP BY 1
"""
"""Every table with its indexes and its long values; the parts of a day count as their table."""
PASSING: Final = frozenset(
    {
        *(f"{owner}.{table}" for owner in OWNERS[:3] for table in ("inbox", "outbox")),
        *(f"{owner}.request_once" for owner in OWNERS[:3]),
        "bus.record",
        "intake.idempotency",
        "router.queue_entry",
    }
)
"""Tables of which nothing is kept for good."""
FLAT: Final = 0.05
"""Which share of what was put into the passing tables may still be there."""
SHOWN_BYTES: Final = 50
"""A table that takes less of a ticket is shown with the others."""
MANY: Final = 10_000_000

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Round:
    """Tickets taken in, those of them that ended, the tables' bytes, and the log's."""

    tickets: int
    closed: int
    before: Sizes
    after: Sizes
    wal: int


@dataclass(frozen=True)
class Found:
    """Rounds that each ended with retention, and how large the tables were at first."""

    start: Sizes
    rounds: Sequence[Round]

    @property
    def tickets(self) -> int:
        return sum(one.tickets for one in self.rounds)

    @property
    def put(self) -> Mapping[str, float]:
        """Bytes a ticket by table before anything is forgotten.

        Of the first round alone: later ones fill the room that was freed.
        """
        first = self.rounds[0]
        return _each(self.start, first.before, first.tickets)

    @property
    def left(self) -> Mapping[str, float]:
        """Bytes a ticket by table that stay.

        Of the rounds after the first, as tables of a term keep the room of one round.
        """
        later = sum(one.tickets for one in self.rounds[1:])
        return _each(self.rounds[0].after, self.rounds[-1].after, later)

    @property
    def wal(self) -> float:
        """Bytes of write-ahead log a ticket."""
        return sum(one.wal for one in self.rounds) / self.tickets

    @property
    def growth(self) -> float:
        """How much of what is put into the tables of a term stays, as a share."""
        put = sum(size for table, size in self.put.items() if table in PASSING)
        return sum(size for table, size in self.left.items() if table in PASSING) / put

    @property
    def flat(self) -> bool:
        """Whether what has a term does not grow from round to round."""
        return self.growth <= FLAT

    def sheet(self) -> Table:
        """The figures for people."""
        table = Table(title=f"{self.tickets} tickets, bytes a ticket", title_justify="left")
        table.add_column("table")
        for name in ("before retention", "after", ""):
            table.add_column(name, justify="right")
        put, left = self.put, self.left
        shown = sorted((name for name in put if put[name] >= SHOWN_BYTES), key=lambda n: -put[n])
        for name in shown:
            note = "has a term" if name in PASSING else ""
            table.add_row(name, f"{put[name]:,.0f}", f"{left.get(name, 0):,.0f}", note)
        rest = [sum(of.values()) - sum(of.get(n, 0) for n in shown) for of in (put, left)]
        table.add_row("others", *(f"{size:,.0f}" for size in rest), "")
        table.add_section()
        table.add_row("all tables", *(f"{sum(of.values()):,.0f}" for of in (put, left)), "")
        table.add_row("write-ahead log", f"{self.wal:,.0f}", "", "")
        return table

    def verdict(self) -> Sequence[str]:
        """What the figures say, in sentences."""
        put, left = self.put, self.left
        passing = sum(put[name] - left[name] for name in PASSING & put.keys())
        closed = sum(one.closed for one in self.rounds)
        return [
            f"{closed} of {self.tickets} tickets ended, in {len(self.rounds)} rounds",
            f"{'FLAT' if self.flat else 'NOT FLAT'}: of what was put into tables that have a term"
            f" {self.growth:.1%} is left from round to round (at most {FLAT:.0%})",
            f"ten million tickets: {sum(left.values()) * MANY / 1e9:,.0f} GB for good, and"
            f" {passing / 1e3:,.1f} kB for each ticket that is within the terms",
        ]


def _each(before: Sizes, after: Sizes, tickets: int) -> Mapping[str, float]:
    return {name: (size - before.get(name, 0)) / tickets for name, size in after.items()}


def sizes(settings: Settings) -> Sizes:
    """The bytes of every table of the installation, `owner.table`."""
    found = {}
    for owner in OWNERS:
        with connected(settings, owner) as connection:
            for table, size in connection.execute(SIZES.encode()):
                found[f"{owner}.{table}"] = int(size)
    return found


def log_position(settings: Settings) -> int:
    """How many bytes of write-ahead log the server has written."""
    with connected(settings, "bus") as connection:
        row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def connected(settings: Settings, owner: str) -> psycopg.Connection[Any]:
    """A connection to the database of a service or of the bus, to be closed."""
    return psycopg.connect(libpq(database_url(settings, owner)), autocommit=True)
