"""Events that are lost for good are missed, named, and said again; each acts once."""

from datetime import UTC, datetime, timedelta

import psycopg

from deploy.stack import Stack, settings_for
from services.router.domain.conservation import Gap
from services.router.domain.routing import Rules
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.reconcile import Reckoning, reconcile, repair
from services.router.storage.counterparts import counterparts
from shared.calendar import load_calendar
from shared.database import Database
from shared.postgres import database_url, libpq
from tests.conftest import public_home
from tests.integration.desk import Desk, eventually

TEXT = "保山南里路灯不亮"


def compared(stack: Stack, *, mend: bool = False) -> Reckoning:
    """What a comparison says an hour later; with `mend`, what is missed is asked for again."""
    rules = Rules(load_policy(POLICY_DIRECTORY), load_calendar())
    both = counterparts(stack.settings, Database(database_url(stack.settings, "router")))
    try:
        now = datetime.now(UTC) + timedelta(hours=1)
        found = reconcile(both, now)
        if mend:
            repair(both, rules, found, now)
        return found
    finally:
        both.close()
        both.router.close()


def lose(stack: Stack, group: str) -> None:
    """Let a consumer group, whose members are stopped, never see what waits for it."""
    with psycopg.connect(libpq(database_url(stack.settings, "bus"))) as connection:
        connection.execute(
            "UPDATE group_partition g SET committed = t.next_offset FROM topic_partition t"
            " WHERE g.topic = t.topic AND g.partition = t.partition AND g.group_name = %s",
            (group,),
        )


def relayed(stack: Stack, service: str) -> None:
    """Wait until a service has said on the bus all that it has to say."""

    def empty() -> bool | None:
        with psycopg.connect(libpq(database_url(stack.settings, service))) as connection:
            return connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,) or None

    eventually(empty)


def gaps(found: Reckoning) -> dict[str, str]:
    return {missed.number: missed.gap for missed in found.missed}


def test_what_is_lost_anywhere_is_named_and_comes_back_once() -> None:
    with public_home() as home, Stack(settings_for(home)) as stack, Desk(stack) as desk:
        calm = desk.submit(TEXT)
        desk.settled(calm)
        processes = stack.processes

        processes["classifier"].stop()
        unheard = desk.submit(f"{TEXT}，三天了")
        relayed(stack, "intake")
        lose(stack, "classifier.tickets")
        processes["classifier"].start()
        processes["classifier"].wait_ready()

        processes["router"].stop()
        unopened = desk.submit(f"{TEXT}，五天了")
        desk.until(unopened, lambda ticket: ticket["status"] == "triaged")
        relayed(stack, "classifier")
        ended = {"reason": "withdrawn", "note": "不用了"}
        answer = desk.ask("intake", "POST", f"/tickets/{calm}/close", json=ended)
        assert answer.status_code == 201, answer.text
        relayed(stack, "intake")
        lose(stack, "router.cases")
        lose(stack, "router.callers")
        processes["router"].start()
        processes["router"].wait_ready()

        found = compared(stack)
        assert gaps(found) == {
            unheard: Gap.NO_CASE,
            unopened: Gap.NO_CASE,
            calm: Gap.NOT_HEARD,
        }
        seen = {missed.number: missed.last_seen for missed in found.missed}
        assert (seen[unheard], seen[unopened], seen[calm]) == ("受理", "分类", "派单")
        for _ in range(2):
            compared(stack, mend=True)
        for number in (unheard, unopened):
            desk.settled(number, 30)
        eventually(lambda: not compared(stack).missed or None, 30)

        for number in (unheard, unopened):
            facts = [entry["type"] for entry in desk.ticket(number)["timeline"]]
            assert sum(".classification." in fact for fact in facts) == 1
            assert "hotline.case.supplemented.v1" not in facts
        with psycopg.connect(libpq(database_url(stack.settings, "router"))) as connection:
            parked = connection.execute("SELECT count(*) FROM dead_letter").fetchone()
            closings = connection.execute(
                "SELECT count(*) FROM case_log WHERE number = %s AND fact = 'closed'", (calm,)
            ).fetchone()
        assert (parked, closings) == ((0,), (1,))
