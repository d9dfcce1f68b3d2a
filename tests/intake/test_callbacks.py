"""Many call-backs in one request: each is recorded as if it were alone, and answered for itself."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY

from shared.events import CaseState
from shared.problems import TITLES
from shared.roles import Role
from tests.intake.office import Office, case_event, message
from tests.intake.test_parts import split_call

SOLVED = {"solved": True, "satisfaction": "satisfied"}
UNSOLVED = {"solved": False, "satisfaction": "dissatisfied", "comment": "还是漏"}
PHONE = "13652074418"


def waiting(office: Office, **fields: object) -> str:
    """The number of a ticket that waits for its call-back."""
    number = office.submit(**fields)
    office.tell(message(case_event(number, 1, CaseState.CALLBACK_PENDING), number))
    return number


def recorded(office: Office, *callbacks: object, key: str | None = None) -> list[Any]:
    answer = office.post("/tickets/callbacks", {"callbacks": callbacks}, key=key)
    assert answer.status_code == 200, answer.text
    results: list[Any] = answer.json()["results"]
    return results


def kept(office: Office, number: str) -> list[tuple[Any, ...]]:
    query = "SELECT solved, satisfaction, comment, by_, unit, round FROM callback WHERE number = :n"
    return office.rows(query, n=number)


def told(office: Office, number: str) -> list[tuple[str, str, str]]:
    lines = office.get(f"/tickets/{number}").json()["timeline"]
    return [(line["type"], line["note"], line["actor"]) for line in lines]


def test_each_is_recorded_as_the_single_one_does(office: Office) -> None:
    said = (SOLVED, UNSOLVED, {"solved": False, "satisfaction": "unreached"})
    alone, together = ([waiting(office) for _ in said] for _ in range(2))
    single = [office.post(f"/tickets/{n}/callbacks", b) for n, b in zip(alone, said, strict=True)]
    many = recorded(office, *({"number": n, **b} for n, b in zip(together, said, strict=True)))
    for one, result, first, second in zip(single, many, alone, together, strict=True):
        assert (result["number"], result["status"], result["problem"]) == (second, 201, None)
        assert result["changed"] | {"number": first} == one.json()
        assert kept(office, first) == kept(office, second)
        assert told(office, first) == told(office, second)
        assert len(office.published(first)) == len(office.published(second))


def test_a_bad_one_stops_no_other_and_says_what_is_wrong_with_it(office: Office) -> None:
    first, early, closed, last = waiting(office), office.submit(), waiting(office), waiting(office)
    office.post(f"/tickets/{closed}/callbacks", SOLVED)
    results = recorded(
        office,
        {"number": first, **SOLVED},
        {"number": early, **SOLVED},
        {"number": closed, **SOLVED},
        {"number": "NK20200101-000001", **SOLVED},
        {"number": last, "solved": True, "satisfaction": "unreached"},
        {"number": last, "solved": "yes", "satisfaction": "satisfied"},
        {"number": last, **SOLVED, "by": "XYZZY"},
        {"number": "XYZZY XYZZY", **SOLVED},
        SOLVED,
        "XYZZY",
        {"number": last, **SOLVED},
        {"number": last, **SOLVED},
    )
    slug = {result["problem"]["type"].rpartition(":")[2] for result in results if result["problem"]}
    assert slug == {"not-awaiting-callback", "ticket-closed", "not-found", "invalid"}
    assert [result["status"] for result in results] == [
        *(201, 409, 409, 404, 422, 422, 422, 422, 422, 422, 201, 409)
    ]
    assert [result["number"] for result in results[4:10]] == [last] * 3 + [None] * 3
    assert "XYZZY" not in str(results)
    for result in results:
        if result["problem"] is not None:
            assert result["changed"] is None
            assert result["problem"]["title"] == TITLES[result["status"]][1]
    assert results[5]["problem"]["errors"][0]["field"] == "solved"
    assert [len(kept(office, number)) for number in (first, early, closed, last)] == [1, 0, 1, 1]


def test_comments_lose_what_points_at_their_own_caller(office: Office) -> None:
    numbers = [waiting(office, caller={"name": name, "phone": PHONE}) for name in ("甘棠", "闻笛")]
    comment = f"甘棠和闻笛说没修好，打{PHONE}"
    recorded(office, *({"number": number, **UNSOLVED, "comment": comment} for number in numbers))
    said = [kept(office, number)[0][2] for number in numbers]
    assert ("甘棠" in said[0], "闻笛" in said[0]) == (False, True)
    assert ("甘棠" in said[1], "闻笛" in said[1]) == (True, False)
    assert PHONE not in "".join(said)


def test_a_request_that_is_sent_again_under_its_key_acts_once(office: Office) -> None:
    numbers = [waiting(office) for _ in range(3)]
    unreached = {"solved": False, "satisfaction": "unreached"}
    asked = [{"number": number, **unreached} for number in numbers]
    answers = [recorded(office, *asked, key="many") for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert [len(kept(office, number)) for number in numbers] == [1, 1, 1]
    other = office.post("/tickets/callbacks", {"callbacks": asked[:1]}, key="many")
    assert other.json()["type"] == "urn:hotline:problem:idempotency-key-reused"


def test_of_many_desks_with_the_same_tickets_one_records_each(office: Office) -> None:
    numbers = [waiting(office) for _ in range(12)]

    async def storm() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(office.running.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://intake/api", headers=office.header()
        ) as client:
            orders = (numbers, numbers[::-1], numbers[6:] + numbers[:6])
            bodies = [[{"number": number, **SOLVED} for number in order] for order in orders]
            posts = [
                client.post("/tickets/callbacks", json={"callbacks": body}) for body in bodies * 2
            ]
            singles = [client.post(f"/tickets/{n}/callbacks", json=SOLVED) for n in numbers]
            return list(await asyncio.gather(*posts, *singles))

    answers = office.in_loop(storm)
    statuses: Counter[int] = Counter()
    for answer in answers[:6]:
        assert answer.status_code == 200, answer.text
        statuses.update(result["status"] for result in answer.json()["results"])
    statuses.update(answer.status_code for answer in answers[6:])
    assert statuses == {201: 12, 409: 72}
    assert [len(kept(office, number)) for number in numbers] == [1] * 12


def test_the_last_part_ends_the_ticket_it_was_split_off(office: Office) -> None:
    whole, *parts = split_call(office)
    for part in parts:
        office.tell(message(case_event(part, 5, CaseState.CALLBACK_PENDING), part))
    results = recorded(office, *({"number": part, **SOLVED} for part in parts[::-1]))
    assert {result["status"] for result in results} == {201}
    assert office.get(f"/tickets/{whole}").json()["status"] == "closed"


def test_answers_are_counted_only_where_they_were_recorded(office: Office) -> None:
    number = waiting(office)
    labels = {"unit": "wangdingdi", "solved": "true", "satisfaction": "satisfied"}
    counted = partial(REGISTRY.get_sample_value, "hotline_callbacks_total", labels)
    before = counted() or 0
    recorded(office, {"number": number, **SOLVED}, {"number": number, **SOLVED})
    assert counted() == before + 1


@pytest.mark.parametrize(
    "body",
    [{}, {"callbacks": []}, {"callbacks": [{"number": "N1", **SOLVED}] * 201}, {"callbacks": {}}],
)
def test_none_and_too_many_are_refused(office: Office, body: object) -> None:
    before = office.counts()
    answer = office.post("/tickets/callbacks", body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:hotline:problem:invalid")
    assert office.counts() == before


def test_the_description_says_what_a_call_back_is(office: Office) -> None:
    schemas = office.client.get("/openapi.json").json()["components"]["schemas"]
    many = schemas["Callbacks"]["properties"]["callbacks"]
    assert many["items"] == {"$ref": "#/components/schemas/TicketCallback"}
    assert (many["minItems"], many["maxItems"]) == (1, 200)
    assert set(schemas["TicketCallback"]["required"]) == {"number", "solved", "satisfaction"}
    assert office.post("/tickets/callbacks", {}, Role.DISPATCHER).status_code == 403
