"""A person's erasure on every copy: three services, the queues of units, whistles and logs."""

from datetime import UTC, datetime
from typing import Any

import psycopg

from deploy.stack import Stack, settings_for
from services.intake.erasing import erase_on_request
from shared.database import Database
from shared.postgres import database_url, libpq
from shared.roles import Role
from tests.conftest import public_home
from tests.integration.desk import Desk, eventually

MARK = "蒹葭"
"""Stands in everything that was said of the ticket and nowhere else."""
PASSING = {"outbox", "record"}
"""What is on its way, or in the bus's log until its days are dropped."""


def remains(stack: Stack) -> set[str]:
    """Every table of every service in which something that was said still stands."""
    found = set()
    for service in ("intake", "classifier", "router"):
        with psycopg.connect(libpq(database_url(stack.settings, service))) as connection:
            tables = connection.execute(
                "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relkind = 'r'"
            ).fetchall()
            for (table,) in tables:
                query = f"SELECT count(*) FROM {table} t WHERE CAST(t AS text) LIKE %s"  # noqa: S608
                row = connection.execute(query.encode(), (f"%{MARK}%",)).fetchone()
                if row != (0,) and table not in PASSING:
                    found.add(f"{service}.{table}")
    return found


def test_nothing_that_was_said_remains_on_any_copy() -> None:
    with public_home() as home, Stack(settings_for(home)) as stack, Desk(stack) as desk:
        number = desk.submit(
            f"{MARK}家楼下电线冒火星，保山南里3号楼",
            address=f"保山南里3号楼{MARK}",
            caller={"name": "李明华", "phone": "13920481937"},
        )
        case = desk.settled(number)["case"]
        unit = case["lead_unit"]
        worker: dict[str, Any] = {"role": Role.UNIT, "unit": unit, "name": "张三"}
        for command in ("accept", "contact", "reply"):
            desk.command(number, command, **worker, note=f"{MARK}已处理")
        urge = {"note": f"{MARK}在催"}
        answer = desk.ask("intake", "POST", f"/tickets/{number}/urges", json=urge)
        assert answer.status_code == 201, answer.text
        desk.command(number, "verify", **{**worker, "name": "李四"}, note=f"{MARK}属实")
        desk.until(number, lambda ticket: ticket["status"] == "callback_pending")
        asked = {"solved": True, "satisfaction": "satisfied", "comment": f"{MARK}满意"}
        answer = desk.ask("intake", "POST", f"/tickets/{number}/callbacks", json=asked)
        assert answer.status_code == 201, answer.text
        desk.until(number, lambda ticket: ticket["case"]["state"] == "closed")
        assert {"intake.ticket", "classifier.verdict", "router.case_record"} <= remains(stack)
        assert {"router.queue_entry", "router.case_log"} <= remains(stack)

        database = Database(database_url(stack.settings, "intake"))
        done = erase_on_request(database, [number], "王工", "本人申请", datetime.now(UTC))
        database.close()
        assert done.erased == [number]
        eventually(lambda: remains(stack) == set() or None, 30)
        erased = "hotline.case.erased.v1"
        desk.until(number, lambda t: erased in [entry["type"] for entry in t["timeline"]])
        for service in ("classifier", "router"):
            with psycopg.connect(libpq(database_url(stack.settings, service))) as connection:
                rows = connection.execute("SELECT number FROM erased_ticket").fetchall()
            assert rows == [(number,)]
