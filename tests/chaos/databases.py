"""What stands in the services' databases, asked around every proxy."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from deploy.stack import SERVICES
from shared.postgres import database_url, libpq
from shared.settings import Settings

AT_A_UNIT: Final = """
SELECT c.number, c.version, c.ticket_version FROM case_record c
WHERE c.number = ANY(%s) AND coalesce(c.lead_unit, c.desk) IS NOT NULL
AND EXISTS (SELECT FROM queue_entry q WHERE q.number = c.number AND q.open AND q.whistle = '')
"""
AS_TOLD: Final = "SELECT number, version, case_version FROM ticket WHERE number = ANY(%s)"
WITH_A_CASE: Final = "SELECT number FROM case_record WHERE number = ANY(%s)"
WORDS: Final = "SELECT number, text FROM ticket WHERE received_at >= %s"
FEEDS: Final = "SELECT unit, seq FROM unit_feed"
UNRELAYED: Final = "SELECT count(*) FROM outbox"
TOLD: Final = """
SELECT number, type, count(*) FROM timeline
WHERE type ~ '^hotline.(classification|case|whistle)' GROUP BY number, type
"""
PARKED: Final = "SELECT consumer, key, reason, error FROM dead_letter"
TWICE: Final = (
    (
        "opened",
        "SELECT number, string_agg(fact, ', ') FROM case_log WHERE version = 1 AND fact IN"
        " ('dispatched', 'manual_dispatch', 'awaiting_info', 'redirected')"
        " GROUP BY number HAVING count(*) > 1",
    ),
    (
        "in the case's log",
        "SELECT number, min(fact) FROM case_log"
        " GROUP BY number, version, fact, concerns, detail HAVING count(*) > 1",
    ),
    (
        "fired by a clock",
        "SELECT number, min(fact) FROM case_log WHERE actor = 'clock'"
        " GROUP BY number, fact, detail HAVING count(*) > 1",
    ),
    (
        "whistled for",
        "SELECT ticket_number, kind FROM whistle GROUP BY ticket_number, kind HAVING count(*) > 1",
    ),
)
"""What the router may keep once only, and how to find what is there twice: the ticket and what
is said of it."""


class Databases:
    """The databases of an installation; a connection lives as long as a question."""

    def __init__(self, settings: Settings) -> None:
        self._urls = {name: libpq(database_url(settings, name)) for name in SERVICES}

    def at_a_unit(self, numbers: Collection[str]) -> set[str]:
        """Those of these tickets that stand in the queue of a unit or a desk."""
        return {number for number, *_ in self._ask("router", AT_A_UNIT, list(numbers))}

    def with_a_case(self, numbers: Collection[str]) -> set[str]:
        """Those of these tickets that have a case, wherever it is."""
        return {number for (number,) in self._ask("router", WITH_A_CASE, list(numbers))}

    def settled(self, numbers: Collection[str]) -> set[str]:
        """Those at a unit of which intake and router know the same, the last word included."""
        cases = {row[0]: row[1:] for row in self._ask("router", AT_A_UNIT, list(numbers))}
        tickets = self._ask("intake", AS_TOLD, list(numbers))
        return {
            number
            for number, version, case_version in tickets
            if cases.get(number) == (case_version, version)
        }

    def unrelayed(self) -> int:
        """Events that are not on the bus yet."""
        return sum(self._ask(service, UNRELAYED)[0][0] for service in SERVICES)

    def words_since(self, at: Any) -> Mapping[str, str]:
        """The words of every ticket that was taken since then, by its number."""
        return dict(self._ask("intake", WORDS, at))

    def feeds(self) -> Mapping[str, int]:
        """The number of the last change in each unit's queue."""
        return dict(self._ask("router", FEEDS))

    def timeline(self) -> Mapping[tuple[str, str], int]:
        """How often each type of what the other services say stands in a ticket's timeline."""
        return {(number, type_): count for number, type_, count in self._ask("intake", TOLD)}

    def parked(self) -> Sequence[tuple[str, str, str]]:
        """Every dead letter: its consumer, its key, and what was wrong."""
        return [
            (consumer, key, f"{reason}: {error}")
            for service in SERVICES
            for consumer, key, reason, error in self._ask(service, PARKED)
        ]

    def twice(self) -> Iterator[tuple[str, str]]:
        """Tickets of which something is there twice, and what."""
        for what, question in TWICE:
            for number, said in self._ask("router", question):
                yield number, f"{what}: {said}"

    def now(self) -> Any:
        """The time by the server's clock."""
        return self._ask("intake", "SELECT now()")[0][0]

    def _ask(self, service: str, question: str, *given: Any) -> list[tuple[Any, ...]]:
        with self._connected(service) as connection:
            return connection.execute(question.encode(), given or None).fetchall()

    @contextmanager
    def _connected(self, service: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        with psycopg.connect(self._urls[service], connect_timeout=5) as connection:
            yield connection
