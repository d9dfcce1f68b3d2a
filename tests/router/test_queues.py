"""A unit's queue as it is pulled, waited for, and streamed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import jwt
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.router.storage.queues import BadCursor, Page, Place, QueueWatch, position
from shared.roles import Role
from shared.secrets import local_keys
from tests.router.station import (
    LAMP,
    STALLS,
    TRAPPED,
    Json,
    Station,
    classified,
    new_number,
    words_of,
)
from tests.serving import served

MARKET = "other.consumer_market"
"""Goes to market."""


@pytest.fixture(scope="module")
def address(station: Station) -> Iterator[str]:
    """The module's router behind a real HTTP server."""
    with served(station.running.app) as found:
        yield found


def pull(station: Station, unit: str, role: Role = Role.UNIT, **query: Any) -> Json:
    """A page of a unit's queue."""
    answer = station.client.get(
        f"/api/units/{unit}/queue",
        params=query,
        headers=station.header(role, unit if role is Role.UNIT else None),
    )
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def numbers(page: Json) -> list[str]:
    return [item["number"] for item in page["items"]]


@contextmanager
def soon(action: Any, after: float) -> Iterator[None]:
    """Do something a little later, while the block runs."""
    timer = threading.Timer(after, action)
    timer.start()
    yield
    timer.join()


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [(None, 0), ("fire:0", 0), ("fire:17", 17), ("fire:999999999999999999", 10**18 - 1)],
)
def test_a_cursor_stands_for_a_number(cursor: str | None, expected: int) -> None:
    assert position("fire", cursor) == expected


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "fire", "fire:", "police:3", "3", "fire:-1", "fire:1e3", "fire:٣"),
        *("fire:3:4", " fire:3", "fire:3 ", f"fire:{10**18}"),
    ],
)
def test_a_cursor_nobody_gave_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        position("fire", cursor)


def test_without_a_cursor_a_unit_gets_what_is_open_oldest_change_first(
    empty_station: Station,
) -> None:
    station = empty_station
    first, second, gone = (station.opened() for _ in range(3))
    station.done(first, "accept", unit="urban-management")
    station.done(gone, "redispatch", lead_unit="power")
    page = pull(station, "urban-management")
    assert numbers(page) == [second, first]
    assert all(item["open"] and item["role"] == "lead" for item in page["items"])
    assert page["items"][1]["case"]["state"] == "accepted"
    assert page["items"][0]["ticket"]["text"] == words_of(second)
    assert page["cursor"] == "urban-management:5"


def test_with_a_cursor_a_unit_gets_what_changed_closed_entries_too(empty_station: Station) -> None:
    station = empty_station
    number = station.opened()
    cursor = pull(station, "urban-management")["cursor"]
    assert pull(station, "urban-management", after=cursor)["items"] == []
    station.done(number, "redispatch", lead_unit="power")
    page = pull(station, "urban-management", after=cursor)
    assert [(item["number"], item["open"]) for item in page["items"]] == [(number, False)]
    assert pull(station, "urban-management", after=page["cursor"])["items"] == []


@pytest.mark.parametrize("limit", [1, 3, 4, 500])
def test_pages_together_are_the_whole_queue(empty_station: Station, limit: int) -> None:
    station = empty_station
    opened = [station.opened() for _ in range(7)]
    page = pull(station, "urban-management", limit=limit)
    found = numbers(page)
    while page["items"]:
        page = pull(station, "urban-management", limit=limit, after=page["cursor"])
        found += numbers(page)
    assert found == opened


def test_an_empty_cursor_is_none(empty_station: Station) -> None:
    number = empty_station.opened()
    assert numbers(pull(empty_station, "urban-management", after="")) == [number]


def test_an_empty_queue_gives_a_cursor_that_misses_nothing(empty_station: Station) -> None:
    cursor = pull(empty_station, "urban-management")["cursor"]
    number = empty_station.opened()
    assert numbers(pull(empty_station, "urban-management", after=cursor)) == [number]


def test_a_cursor_is_given_without_the_entries_before_it(empty_station: Station) -> None:
    empty_station.opened()
    answer = empty_station.get(
        "/units/urban-management/queue/cursor", Role.UNIT, "urban-management"
    )
    assert (answer.status_code, answer.json()["items"]) == (200, [])
    number = empty_station.opened()
    assert numbers(pull(empty_station, "urban-management", after=answer.json()["cursor"])) == [
        number
    ]


@pytest.mark.parametrize("cursor", ["police:3", "nonsense", "urban-management:x"])
def test_the_cursor_of_another_queue_is_a_problem(station: Station, cursor: str) -> None:
    answer = station.get(
        f"/units/urban-management/queue?after={cursor}", Role.UNIT, "urban-management"
    )
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:hotline:problem:bad-cursor"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["queue?after=x&limit=0", "queue/stream?after=x", "queue/cursor"])
@pytest.mark.parametrize("unit", ["police", "no-such-unit", "%00", "x" * 200])
def test_another_units_queue_and_an_unknown_one_are_the_same_to_a_unit(
    station: Station, path: str, unit: str
) -> None:
    answer = station.get(f"/units/{unit}/{path}", Role.UNIT, "fire")
    unknown = station.get("/units/nobody/queue", Role.UNIT, "fire")
    if len(unit) > 60:
        assert answer.status_code == 422
    else:
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def test_times_in_a_queue_are_those_on_the_wall(station: Station) -> None:
    station.opened(TRAPPED)
    item = pull(station, "lift-rescue")["items"][0]
    times = [item["at"], item["ticket"]["received_at"]]
    times += [clock[name] for clock in item["case"]["clocks"] for name in ("started_at", "due_at")]
    assert all(time.endswith("+08:00") for time in times)


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM])
def test_those_who_watch_read_any_queue(station: Station, role: Role) -> None:
    number = station.opened(STALLS)
    assert number in numbers(pull(station, "wangdingdi", role, limit=500))


def test_a_long_poll_answers_within_moments_of_a_change(station: Station, address: str) -> None:
    url = f"{address}/api/units/market/queue"
    headers = station.header(Role.UNIT, "market")
    changed: list[float] = []
    late: list[float] = []

    def change() -> None:
        station.opened(MARKET)
        changed.append(time.monotonic())

    with httpx2.Client(headers=headers, timeout=10) as client:
        for _ in range(5):
            cursor = client.get(url).json()["cursor"]
            with soon(change, 0.2):
                answer = client.get(url, params={"after": cursor, "wait": 8})
                answered = time.monotonic()
            late.append(answered - changed[-1])
            assert len(answer.json()["items"]) == 1
    assert sorted(late)[3] < 0.3, "the machine may be busy once, but not every time"


def test_a_long_poll_without_a_cursor_waits_where_nothing_is_open(
    empty_station: Station, address: str
) -> None:
    station = empty_station
    station.done(station.opened(MARKET), "redispatch", lead_unit="commerce")
    url = f"{address}/api/units/market/queue"
    with (
        httpx2.Client(headers=station.header(Role.UNIT, "market"), timeout=10) as client,
        soon(lambda: station.opened(MARKET), 0.2),
    ):
        answer = client.get(url, params={"wait": 5}).json()
    assert len(answer["items"]) == 1
    assert answer["items"][0]["open"]


def test_a_long_poll_is_empty_after_its_time_and_deaf_to_other_queues(
    station: Station, address: str
) -> None:
    url = f"{address}/api/units/police/queue"
    with (
        httpx2.Client(headers=station.header(Role.UNIT, "police"), timeout=10) as client,
        soon(lambda: station.opened(MARKET), 0.1),
    ):
        cursor = client.get(url).json()["cursor"]
        started = time.monotonic()
        answer = client.get(url, params={"after": cursor, "wait": 0.5})
        took = time.monotonic() - started
    assert answer.json() == {"unit": "police", "items": [], "cursor": cursor}
    assert 0.5 <= took < 1.5


def test_many_waiting_readers_are_all_woken(station: Station, address: str) -> None:
    url = f"{address}/api/units/market/queue"
    headers = station.header(Role.UNIT, "market")
    cursor = httpx2.get(url, headers=headers).json()["cursor"]
    answers: list[Json] = []

    def wait() -> None:
        query = {"after": cursor, "wait": 8}
        answers.append(httpx2.get(url, headers=headers, params=query, timeout=10).json())

    readers = [threading.Thread(target=wait) for _ in range(12)]
    for reader in readers:
        reader.start()
    time.sleep(0.4)
    number = station.opened(MARKET)
    for reader in readers:
        reader.join(timeout=10)
    assert [numbers(answer) for answer in answers] == [[number]] * 12


class Stream:
    """A reader of server-sent events."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, str, Json]:
        """Id, kind and data of the next event."""
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in found:
                return found["id"], found["event"], json.loads(found["data"])
            name, _, value = line.partition(": ")
            found[name] = value
        raise AssertionError("the stream has ended")


@contextmanager
def streaming(
    station: Station, address: str, unit: str, last_id: str | None = None
) -> Iterator[Stream]:
    """An open stream of a unit's queue."""
    headers = station.header(Role.UNIT, unit)
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    url = f"{address}/api/units/{unit}/queue/stream"
    with httpx2.stream("GET", url, headers=headers, timeout=10) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def test_a_stream_gives_what_is_open_and_then_every_change(
    empty_station: Station, address: str
) -> None:
    station = empty_station
    first = station.opened(LAMP)
    with streaming(station, address, "urban-management") as stream:
        event_id, kind, item = stream.next()
        assert (event_id, kind, item["number"]) == ("urban-management:1", "queue", first)
        assert item["at"].endswith("+08:00")
        second = station.opened(LAMP)
        assert stream.next()[2]["number"] == second
        station.done(first, "redispatch", lead_unit="power")
        event_id, _, item = stream.next()
        assert (event_id, item["number"], item["open"]) == ("urban-management:3", first, False)


@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("path", ["queue", "queue/stream"])
def test_a_cursor_past_the_head_is_told_to_start_anew(
    empty_station: Station, path: str, by_header: bool
) -> None:
    station = empty_station
    station.opened(LAMP)
    ahead = "urban-management:2"
    headers = station.header(Role.UNIT, "urban-management")
    if by_header:
        headers["Last-Event-ID"] = ahead
    query = "" if by_header else f"?after={ahead}"
    answer = station.client.get(f"/api/units/urban-management/{path}{query}", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:hotline:problem:cursor-ahead")
    assert "重新读取" in answer.json()["detail"]
    head = station.get(
        "/units/urban-management/queue?after=urban-management:1", Role.UNIT, "urban-management"
    )
    assert head.status_code == 200


def test_a_stream_ends_with_its_readers_token(empty_station: Station, address: str) -> None:
    station = empty_station
    ends = int(time.time()) + 2
    bearer = {"sub": "li", "role": "unit", "unit": "urban-management"}
    claims = {"iss": "hotline", "aud": "hotline", "exp": ends, **bearer}
    (secret,) = local_keys(station.settings.home, "jwt", station.settings.jwt_secret)
    token = jwt.encode(claims, secret, algorithm="HS256")
    url = f"{address}/api/units/urban-management/queue/stream"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.stream("GET", url, headers=headers, timeout=10) as response:
        assert response.status_code == 200
        said = "".join(response.iter_text())
    assert "data: {" not in said
    assert time.time() < ends + 5


def test_a_broken_stream_resumes_after_the_last_event_it_saw(
    empty_station: Station, address: str
) -> None:
    station = empty_station
    station.opened(LAMP)
    with streaming(station, address, "urban-management") as stream:
        last_id, _, _ = stream.next()
    missed = [station.opened(LAMP), station.opened(LAMP)]
    with streaming(station, address, "urban-management", last_id) as stream:
        assert [stream.next()[2]["number"], stream.next()[2]["number"]] == missed
        live = station.opened(LAMP)
        assert stream.next()[2]["number"] == live


def test_a_stream_longer_than_a_page_is_whole(empty_station: Station, address: str) -> None:
    station = empty_station
    opened = [new_number() for _ in range(103)]
    station.hear(*(classified(number) for number in opened))
    with streaming(station, address, "urban-management") as stream:
        assert [stream.next()[2]["number"] for _ in opened] == opened


@pytest.mark.parametrize("last_id", ["police:3", "nonsense"])
def test_a_stream_of_a_foreign_event_id_is_a_problem(station: Station, last_id: str) -> None:
    answer = station.client.get(
        "/api/units/fire/queue/stream",
        headers={**station.header(Role.UNIT, "fire"), "Last-Event-ID": last_id},
    )
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:hotline:problem:bad-cursor"


@pytest.mark.anyio
async def test_a_watch_survives_a_database_that_does_not_answer(
    empty_station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = QueueWatch(empty_station.database)
    read = watch._read
    answers = iter([PoolTimeout("full")])

    def failing(places: set[Place]) -> dict[Place, Page]:
        for error in answers:
            raise error
        return read(places)

    monkeypatch.setattr(watch, "_read", failing)
    empty_station.opened(LAMP)
    page = await watch.following("urban-management", 0, timeout=3)
    assert [item.number for item in page.items]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
