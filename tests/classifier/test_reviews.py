"""The order of the review queue: danger first, then the longest waiting; by category."""

import pytest
from sqlalchemy import event, text

from tests.classifier.bench import LAMP, VAGUE, amended, new_number, taken
from tests.classifier.live_bench import GREEN, LIGHT, Live

URGENT = "P1"


def waiting(live: Live, query: str = "") -> list[str]:
    """The numbers on one page of the queue."""
    answer = live.bench.get(f"/reviews{query}")
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


def unsure(live: Live, leaf: str = LIGHT, priority: str = "P3") -> str:
    """The number of a ticket that waits with this guess."""
    number = new_number()
    live.bench.hear(taken(number, LAMP))
    with live.database.writing() as writer:
        writer.execute(
            text(
                "UPDATE verdict SET abstained = true, leaf = :leaf, priority = :priority"
                " WHERE number = :number"
            ),
            {"leaf": leaf, "priority": priority, "number": number},
        )
    return number


def test_danger_comes_before_what_waits_longer(live: Live) -> None:
    calm = [unsure(live), unsure(live)]
    urgent = [unsure(live, priority="P1"), unsure(live, priority="P0")]
    assert waiting(live) == urgent + calm


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_go_from_danger_to_the_rest_without_a_gap(live: Live, limit: int) -> None:
    calm = [unsure(live), unsure(live)]
    urgent = [unsure(live, priority=URGENT), unsure(live, priority=URGENT)]
    found, query = [], f"?limit={limit}"
    while True:
        page = live.bench.get(f"/reviews{query}").json()
        found += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit={limit}&cursor={page['next']}"
    assert found == urgent + calm


def test_one_category_alone(live: Live) -> None:
    grid = unsure(live, GREEN)
    safety = unsure(live, "safety.gas_leak", URGENT)
    assert waiting(live, "?category=grid") == [grid]
    assert waiting(live, "?category=safety") == [safety]
    assert waiting(live, "?category=elderly") == []
    assert live.bench.get("/reviews?category=nonsense").status_code == 422


def test_only_what_was_last_said_of_a_ticket_counts(live: Live) -> None:
    number = unsure(live)
    live.bench.hear(amended(number, VAGUE, LAMP))
    assert number not in waiting(live)
    again = unsure(live)
    live.bench.post(f"/reviews/{again}", {"leaf": GREEN})
    assert again not in waiting(live)
    live.bench.post(f"/reviews/{again}", {"leaf": LIGHT})
    assert live.bench.rows("SELECT leaf FROM review WHERE number = :n ORDER BY id", n=again) == [
        (GREEN,),
        (LIGHT,),
    ]
    assert live.bench.rows("SELECT leaf FROM verdict WHERE number = :n", n=again) == [(LIGHT,)]


def test_a_page_behind_a_cursor_is_read_by_the_index_alone(live: Live) -> None:
    unsure(live, priority=URGENT)
    asked: list[tuple[str, object]] = []

    def note(*arguments: object) -> None:
        asked.append((str(arguments[2]), arguments[3]))

    event.listen(live.database.engine, "before_cursor_execute", note)
    assert len(waiting(live, "?cursor=u1.X")) == 1
    event.remove(live.database.engine, "before_cursor_execute", note)
    ((statement, values),) = (one for one in asked if "ORDER BY" in one[0])
    with live.database.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO verdict (number, ticket_version, leaf, priority, abstained,"
                " decided_by, decided_at, classification) SELECT 'X' || i, 1, leaf, priority,"
                " i % 20 = 0, decided_by, now(), '{}' FROM verdict, generate_series(1, 20000) i"
            )
        )
        connection.execute(text("ANALYZE verdict"))
        plan = "\n".join(
            line
            for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", values)  # type: ignore[arg-type]
        )
    assert "verdict_to_review_urgent_first" in plan
    assert "Index Cond: (ROW" in plan
    assert "Sort" not in plan
