"""The classifier over HTTP: previews, vocabulary, the model, and the review queue."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from sqlalchemy import event, text

from services.classifier.model import Model
from shared.roles import Role
from shared.settings import Settings
from shared.taxonomy import load_taxonomy
from tests.classifier.bench import (
    DANGER,
    LAMP,
    VAGUE,
    Bench,
    Response,
    amended,
    new_number,
    open_bench,
    taken,
)
from tests.conftest import drop_databases, own_databases


@pytest.fixture(scope="module")
def bench(
    server: Settings, tmp_path_factory: pytest.TempPathFactory, model: Model, model_home: Path
) -> Iterator[Bench]:
    """A classifier on databases of its own."""
    settings = own_databases(server, tmp_path_factory.mktemp("bench"))
    with open_bench(settings, model_home) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def empty_bench(bench: Bench) -> Bench:
    """The module's classifier without any ticket."""
    with bench.database.writing() as writer:
        for table in ("review", "verdict", "outbox", "inbox"):
            writer.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    return bench


def problem(answer: Response) -> tuple[int, str]:
    """Status and stable name of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("urn:hotline:problem:")


def waiting(bench: Bench, query: str = "") -> list[str]:
    """The numbers in the review queue."""
    answer = bench.get(f"/reviews{query}")
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


def test_one_message_is_answered_with_what_it_is_about_and_why(bench: Bench) -> None:
    answer = bench.post("/classify", {"text": LAMP}, Role.OPERATOR).json()
    assert (answer["leaf"], answer["category"], answer["priority"]) == (
        "grid.street_lighting",
        "grid",
        "P3",
    )
    assert answer["probability"] > 0.5
    assert not answer["abstained"]
    assert {"leaf", "probability"} == set(answer["alternatives"][0])
    assert answer["reasons"]
    assert answer["demands"] == [{"leaf": "grid.street_lighting", "text": LAMP}]
    assert answer["decided_by"] == "model"
    assert answer["model_version"]


def test_a_title_counts(bench: Bench) -> None:
    answer = bench.post("/classify", {"title": "着火了", "text": "三楼冒烟，快来人"}).json()
    assert answer["priority"] == "P0"


def test_many_messages_are_answered_in_their_order(bench: Bench) -> None:
    words = [LAMP, DANGER, VAGUE] * 100
    answer = bench.post("/classify", {"items": [{"text": text} for text in words]}).json()
    alone = [bench.post("/classify", {"text": text}).json() for text in words[:3]]
    assert answer["items"] == alone * 100


@pytest.mark.parametrize("count", [1, 500])
def test_up_to_five_hundred_at_a_time(bench: Bench, count: int) -> None:
    answer = bench.post("/classify", {"items": [{"text": "路灯不亮"}] * count})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == count


def test_a_preview_stores_nothing(empty_bench: Bench) -> None:
    empty_bench.post("/classify", {"text": VAGUE})
    assert empty_bench.rows("SELECT 1 FROM verdict UNION SELECT 1 FROM outbox") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": None},
        {"text": ""},
        {"text": " \u200b\n"},
        {"text": "长" * 4001},
        {"text": 3},
        {"text": LAMP, "title": "长" * 201},
        {"text": LAMP, "items": [{"text": LAMP}]},
        {"title": "只有标题"},
        {"title": "标题", "items": [{"text": LAMP}]},
        {"items": []},
        {"items": [{"text": LAMP}] * 501},
        {"items": [{"text": LAMP}, {"text": ""}]},
        {"items": [LAMP]},
        {"items": LAMP},
        {"text": LAMP, "leaf": "grid.greening"},
        [],
        None,
    ],
)
def test_a_question_that_does_not_fit_is_refused(bench: Bench, body: object) -> None:
    answer = bench.post("/classify", body)
    assert problem(answer) == (422, "invalid")
    assert LAMP not in answer.text


def test_a_body_without_end_is_refused(bench: Bench) -> None:
    items = [{"text": "长" * 4000}] * 100
    assert problem(bench.post("/classify", {"items": items})) == (413, "too-large")


def test_the_taxonomy_is_whole(bench: Bench) -> None:
    leaves = bench.get("/taxonomy", Role.UNIT).json()
    assert [leaf["slug"] for leaf in leaves] == list(load_taxonomy())
    assert {"name", "definition", "boundaries", "category", "priority"} <= set(leaves[0])


def test_the_model_names_itself(bench: Bench, model: Model) -> None:
    shown = bench.get("/model", Role.SUPERVISOR).json()
    assert (shown["version"], shown["threshold"]) == (model.version, model.threshold)


def test_the_service_keeps_its_model_in_its_own_home(bench: Bench) -> None:
    assert bench.running.parts.state.home == bench.settings.home / "classifier"  # type: ignore[attr-defined]


def test_tickets_nobody_is_sure_of_wait_for_a_person_longest_first(empty_bench: Bench) -> None:
    bench = empty_bench
    late, sure = "NK20261123-900002", new_number()
    early = "NK20261123-900003"
    bench.hear(taken(early, VAGUE))
    bench.hear(taken(late, VAGUE), taken(sure, LAMP))
    item = bench.get("/reviews", Role.SUPERVISOR).json()["items"][0]
    assert item["number"] == early
    assert item["text"] == VAGUE
    assert item["received_at"].endswith("+08:00")
    assert item["guess"]["abstained"]
    assert item["guess"]["alternatives"]
    assert waiting(bench) == [early, late]


@pytest.mark.parametrize("limit", [1, 2, 5, 200])
def test_pages_together_are_the_whole_review_queue(empty_bench: Bench, limit: int) -> None:
    bench = empty_bench
    numbers = [bench.vague() for _ in range(3)]
    together = [new_number(), new_number()]
    bench.hear(*(taken(number, VAGUE) for number in together))
    found, query = [], f"?limit={limit}"
    while True:
        page = bench.get(f"/reviews{query}").json()
        found += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit={limit}&cursor={page['next']}"
    assert found == numbers + together


def test_a_page_goes_on_where_it_was_though_its_last_ticket_has_been_reviewed(
    empty_bench: Bench,
) -> None:
    bench = empty_bench
    first, second, third = bench.vague(), bench.vague(), bench.vague()
    page = bench.get("/reviews?limit=2").json()
    assert [item["number"] for item in page["items"]] == [first, second]
    for number in (first, second):
        bench.post(f"/reviews/{number}", {"leaf": "grid.greening"})
    assert waiting(bench, f"?limit=2&cursor={page['next']}") == [third]


def test_the_review_queue_is_read_by_its_index(empty_bench: Bench) -> None:
    bench = empty_bench
    bench.vague()
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(bench.database.engine, "before_cursor_execute", note)
    assert len(waiting(bench, "?cursor=1.X")) == 1
    event.remove(bench.database.engine, "before_cursor_execute", note)
    ((statement, values),) = (one for one in asked if "ORDER BY" in one[0])
    with bench.database.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO verdict (number, ticket_version, leaf, priority, abstained,"
                " decided_by, decided_at, classification) SELECT 'X' || i, 1, leaf, priority,"
                " i % 20 = 0, decided_by, now(), '{}' FROM verdict, generate_series(1, 20000) i"
            )
        )
        connection.execute(text("ANALYZE verdict"))
        explained = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
        plan = "\n".join(line for (line,) in explained)
    assert "verdict_to_review" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("cursor", ["x", "%00", "1", "1.", ".NK1", "9" * 18 + ".NK1", "-1.NK1"])
def test_a_cursor_nobody_gave_is_refused(bench: Bench, cursor: str) -> None:
    assert problem(bench.get(f"/reviews?cursor={cursor}")) == (422, "bad-cursor")


@pytest.mark.parametrize("limit", ["0", "201", "x"])
def test_the_review_queue_is_asked_for_in_bounds(bench: Bench, limit: str) -> None:
    assert problem(bench.get(f"/reviews?limit={limit}")) == (422, "invalid")


def test_a_persons_answer_goes_out_as_the_classification_and_is_kept(bench: Bench) -> None:
    number = bench.vague()
    body = {"leaf": "grid.greening", "priority": "P2"}
    answer = bench.post(f"/reviews/{number}", body, name="王五")
    assert answer.status_code == 201
    assert answer.json() == {
        "number": number,
        "leaf": "grid.greening",
        "category": "grid",
        "priority": "P2",
    }
    type_, said = bench.said(number)[-1]
    assert type_ == "classified"
    assert (said.leaf, said.category, said.priority) == ("grid.greening", "grid", "P2")
    assert (said.decided_by, said.actor, said.abstained) == ("person", "王五", False)
    assert said.reasons == (f"人工判定：{load_taxonomy()['grid.greening'].name}",)
    kept = "SELECT guessed, leaf, priority, reviewer, ticket_version FROM review WHERE number = :n"
    guess = bench.said(number)[0][1].leaf
    assert bench.rows(kept, n=number) == [(guess, "grid.greening", "P2", "王五", 1)]
    ((at,),) = bench.rows("SELECT at FROM review WHERE number = :n", n=number)
    assert isinstance(at, datetime)
    assert at == said.decided_at
    assert number not in waiting(bench, "?limit=200")


def test_without_a_priority_the_leafs_own_holds(bench: Bench) -> None:
    number = bench.vague()
    answer = bench.post(f"/reviews/{number}", {"leaf": "safety.gas_leak"}).json()
    assert answer["priority"] == load_taxonomy()["safety.gas_leak"].priority


def test_a_sure_classification_can_be_corrected_and_corrected_again(bench: Bench) -> None:
    number = new_number()
    bench.hear(taken(number, LAMP))
    for leaf, name in (("grid.greening", "王五"), ("grid.sanitation_waste", "赵六")):
        assert bench.post(f"/reviews/{number}", {"leaf": leaf}, name=name).status_code == 201
    assert [said.leaf for _, said in bench.said(number)] == [
        "grid.street_lighting",
        "grid.greening",
        "grid.sanitation_waste",
    ]
    kept = bench.rows(
        "SELECT guessed, reviewer FROM review WHERE number = :n ORDER BY id", n=number
    )
    assert kept == [("grid.street_lighting", "王五"), ("grid.greening", "赵六")]


def test_a_reviewed_ticket_that_is_amended_does_not_come_back(bench: Bench) -> None:
    number = bench.vague()
    bench.post(f"/reviews/{number}", {"leaf": "grid.greening"})
    bench.hear(amended(number, VAGUE, "再说一遍那件事"))
    assert number not in waiting(bench, "?limit=200")
    assert bench.said(number)[-1][1].leaf == "grid.greening"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid")),
        ({"leaf": "nonsense"}, (422, "invalid")),
        ({"leaf": "grid.no_such_thing"}, (422, "unknown-leaf")),
        ({"leaf": "grid.greening", "priority": "P9"}, (422, "invalid")),
        ({"leaf": "grid.greening", "note": "x"}, (422, "invalid")),
        ([], (422, "invalid")),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(
    bench: Bench, body: object, expected: tuple[int, str]
) -> None:
    number = bench.vague()
    assert problem(bench.post(f"/reviews/{number}", body)) == expected
    assert len(bench.said(number)) == 1


@pytest.mark.parametrize("number", ["NK20261123-999999", "%00", "nonsense", "x" * 100, "路灯"])
def test_a_number_nobody_has_is_not_found(bench: Bench, number: str) -> None:
    answer = bench.post(f"/reviews/{number}", {"leaf": "grid.greening"})
    assert problem(answer) == (404, "not-found")


ROUTES = [
    ("POST", "/api/classify", {Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM}),
    ("GET", "/api/taxonomy", set(Role)),
    ("GET", "/api/model", {Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM}),
    ("GET", "/api/reviews", {Role.DISPATCHER, Role.SUPERVISOR}),
    ("POST", "/api/reviews/NK20261123-999999", {Role.DISPATCHER, Role.SUPERVISOR}),
]


@pytest.mark.parametrize(("method", "path", "roles"), ROUTES)
@pytest.mark.parametrize("role", Role)
def test_authorisation_comes_before_anything_else(
    bench: Bench, method: str, path: str, roles: set[Role], role: Role
) -> None:
    nonsense: dict[str, Any] = {"content": b"{not json", "params": {"limit": "many"}}
    nobody = bench.client.request(method, path, **nonsense)
    assert problem(nobody) == (401, "unauthenticated")
    answer = bench.client.request(method, path, headers=bench.header(role), **nonsense)
    assert (answer.status_code == 403) == (role not in roles)
    assert answer.status_code != 401


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_of_any_shape_is_an_error_of_ours(bench: Bench, mode: GenerationMode) -> None:
    number = bench.vague()
    header = bench.header(Role.DISPATCHER)
    schema = schemathesis.openapi.from_asgi("/openapi.json", bench.running.app)
    answers: set[tuple[str, int]] = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if not operation.path.startswith("/api/"):
            continue

        @given(
            case=operation.as_strategy(generation_mode=mode),
            leaf=st.none() | st.sampled_from(sorted(load_taxonomy())),
        )
        @effort(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, leaf: str | None) -> None:
            if leaf is not None and case.path_parameters:
                case.path_parameters = {"number": number}
            if leaf is not None and isinstance(case.body, dict) and "leaf" in case.body:
                case.body["leaf"] = leaf
            answer = case.call(headers={**dict(case.headers or {}), **header})
            assert answer.status_code < 500, (case.method, case.path, case.body, answer.text)
            answers.add((case.path, answer.status_code))

        ask()
    if mode is GenerationMode.POSITIVE:
        assert {("/api/classify", 200), ("/api/reviews/{number}", 201)} <= answers
