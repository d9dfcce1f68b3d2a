"""The order of the review queue: danger first, then the longest waiting; by category."""

import pytest
from sqlalchemy import event, text

from shared.roles import Role
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


def accusing(live: Live, unit: str) -> str:
    """The number of a ticket that waits and complains about a unit."""
    number = new_number()
    live.bench.hear(taken(number, VAGUE, accused_unit=unit))
    return number


def test_a_complaint_about_the_grid_centre_is_the_supervisors_to_judge(live: Live) -> None:
    ours, others = accusing(live, "grid-centre"), accusing(live, "housing")
    assert waiting(live) == [others]
    seen = live.bench.get("/reviews", Role.SUPERVISOR).json()["items"]
    assert {item["number"] for item in seen} == {ours, others}
    answer = {"leaf": LIGHT}
    unknown = live.bench.post(f"/reviews/{new_number()}", answer)
    hidden = live.bench.post(f"/reviews/{ours}", answer)
    assert (hidden.status_code, hidden.json()["title"]) == (404, unknown.json()["title"])
    assert live.bench.post(f"/reviews/{ours}", answer, Role.SUPERVISOR).status_code == 201
    assert live.bench.post(f"/reviews/{others}", answer).status_code == 201


def test_a_page_of_a_dispatcher_is_full_whatever_is_hidden_from_them(live: Live) -> None:
    for _ in range(3):
        accusing(live, "grid-centre")
    others = [accusing(live, "housing") for _ in range(2)]
    page = live.bench.get("/reviews?limit=2").json()
    assert ([item["number"] for item in page["items"]], page["next"]) == (others, None)


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
