"""Taking tickets in: group commit, gapless numbers, and one ticket however often it is sent."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import psycopg
import pytest

from services.intake.contract import Accepted, Submission
from services.intake.drafts import draft
from services.intake.group_commit import GroupCommit
from services.intake.storing import Store
from services.intake.vault import Vault
from shared.auth import issue_token
from shared.problems import Problem
from shared.roles import Role
from tests.intake.office import NOW, WORDS, Office

Answer = TypeVar("Answer")


def run(
    office: Office, work: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, Answer]]
) -> Answer:
    """Work with a client that really sends its requests at the same time."""

    async def session() -> Answer:
        transport = httpx2.ASGITransport(office.running.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://intake/api", headers=office.header()
        ) as client:
            return await work(client)

    return office.in_loop(session)


def serials(answers: Sequence[httpx2.Response]) -> list[int]:
    return sorted(int(answer.json()["number"].rpartition("-")[2]) for answer in answers)


def test_many_at_once_get_gapless_numbers_in_few_transactions(office: Office) -> None:
    async def flood(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        posts = [client.post("/tickets", json={"text": f"{WORDS} {n}"}) for n in range(200)]
        return list(await asyncio.gather(*posts))

    before = office.rows("SELECT count(DISTINCT xmin::text) FROM ticket")[0][0]
    answers = run(office, flood)
    assert {answer.status_code for answer in answers} == {201}
    numbers = serials(answers)
    assert numbers == list(range(numbers[0], numbers[0] + 200))
    transactions = office.rows("SELECT count(DISTINCT xmin::text) FROM ticket")[0][0] - before
    assert 0 < transactions < 100


def test_a_key_sent_fifty_times_at_once_makes_one_ticket_and_fifty_equal_answers(
    office: Office,
) -> None:
    async def repeat(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        key = {"Idempotency-Key": "storm"}
        posts = [client.post("/tickets", json={"text": WORDS}, headers=key) for _ in range(50)]
        return list(await asyncio.gather(*posts))

    before = office.counts()["ticket"]
    answers = run(office, repeat)
    assert Counter((answer.status_code, answer.text) for answer in answers) == {
        (201, answers[0].text): 50
    }
    assert office.counts()["ticket"] == before + 1
    again = office.post("/tickets", {"text": WORDS}, key="storm")
    assert (again.status_code, again.text) == (201, answers[0].text)


def test_a_program_and_an_operator_of_one_name_have_keys_of_their_own(office: Office) -> None:
    def sent(role: Role, words: str) -> Any:
        token = issue_token(office.settings, role, name="li")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "mine"}
        return office.client.post("/api/tickets", json={"text": words}, headers=headers)

    operator, again = (sent(Role.OPERATOR, WORDS).json() for _ in "ab")
    program = sent(Role.SYSTEM, "另一件事")
    assert program.status_code == 201
    assert operator["number"] == again["number"] != program.json()["number"]


def test_a_key_sent_from_two_processes_at_once_makes_one_ticket(office: Office) -> None:
    start = threading.Barrier(8)
    receipts: list[object] = []

    def process() -> None:
        one = draft(Submission(text=WORDS), "li", "two-processes", datetime.now(UTC))
        start.wait()
        receipts.extend(office.store(one))

    threads = [threading.Thread(target=process) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(receipts) == 8
    assert len({receipt.number for receipt in receipts if isinstance(receipt, Accepted)}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"text": "甲"}, {"text": "乙"}),
        ({"text": "甲"}, {"text": "甲", "caller": {"phone": "13820001234"}}),
        ({"text": "甲", "kind": "help"}, {"text": "甲", "kind": "report"}),
    ],
)
def test_a_key_used_for_another_body_is_refused(
    office: Office, first: object, second: object
) -> None:
    key = f"other-body-{hash(str(second))}"
    accepted = office.post("/tickets", first, key=key)
    before = office.counts()
    refused = office.post("/tickets", second, key=key)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:hotline:problem:idempotency-key-reused"
    assert office.counts() == before
    assert office.post("/tickets", first, key=key).text == accepted.text


def test_what_means_the_same_is_the_same_body(office: Office) -> None:
    key = "same-meaning"
    sparse = office.post("/tickets", {"text": f" {WORDS}\u200b"}, key=key)
    spelled_out = {"text": WORDS, "title": None, "kind": "help", "channel": "hotline"}
    assert office.post("/tickets", spelled_out, key=key).text == sparse.text


def test_a_key_is_its_senders_own(office: Office) -> None:
    key = "shared-word"
    operators = office.post("/tickets", {"text": WORDS}, key=key)
    systems = office.post("/tickets", {"text": "另一件"}, Role.SYSTEM, key=key)
    assert systems.status_code == 201
    assert systems.json()["number"] != operators.json()["number"]


def test_a_channels_own_number_is_one_ticket_whoever_sends_it(office: Office) -> None:
    body = {"text": WORDS, "channel": "jinxinban", "external_id": "JXB-1"}
    first = office.post("/tickets", body, Role.SYSTEM)
    assert office.post("/tickets", body, Role.SYSTEM).text == first.text
    assert office.post("/tickets", body, Role.OPERATOR).text == first.text
    other_channel = office.post("/tickets", {**body, "channel": "web"}, Role.SYSTEM)
    assert other_channel.json()["number"] != first.json()["number"]
    other_words = office.post("/tickets", {**body, "text": "乙"}, Role.SYSTEM)
    assert other_words.status_code == 422
    assert first.json()["number"] in other_words.json()["detail"]


def test_a_new_key_makes_no_second_ticket_of_a_channels_number(office: Office) -> None:
    body = {"text": WORDS, "channel": "jinxinban", "external_id": "JXB-2"}
    first = office.post("/tickets", body, Role.SYSTEM, key="try-1").json()["number"]
    assert office.post("/tickets", body, Role.SYSTEM, key="try-2").json()["number"] == first
    assert office.post("/tickets", body, key="try-1").json()["number"] == first
    without = {name: value for name, value in body.items() if name != "external_id"}
    refused = office.post("/tickets", without, Role.SYSTEM, key="try-2")
    assert (refused.status_code, refused.json()["number"]) == (422, first)


def test_numbers_and_keys_of_one_batch_find_the_same_ticket(office: Office) -> None:
    sent = Submission(text=WORDS, external_id="JXB-3")
    items = [
        draft(sent, "li", "a", NOW),
        draft(sent, "wang", None, NOW),
        draft(sent, "li", "b", NOW),
        draft(Submission(text=WORDS), "wang", None, NOW),
    ]
    one, two, three, other = office.store(*items)
    assert one == two == three != other
    again = draft(sent, "li", "a", NOW), draft(sent, "li", "c", NOW)
    assert office.store(*again) == [one, one]


def test_a_key_never_stands_for_a_channels_id(office: Office) -> None:
    body = {"text": WORDS, "channel": "web", "external_id": "9"}
    by_id = office.post("/tickets", body)
    del body["external_id"]
    by_key = office.post("/tickets", body, key="external:web:9")
    assert by_key.json()["number"] != by_id.json()["number"]


def test_keys_are_kept_as_hashes_for_they_may_hold_a_phone(office: Office) -> None:
    office.post("/tickets", {"text": WORDS, "external_id": "13820005678"})
    office.post("/tickets", {"text": WORDS}, key="13820005678")
    assert office.rows("SELECT 1 FROM idempotency WHERE key LIKE '%13820005678%'") == []


def test_numbers_follow_the_day_in_shanghai(office: Office) -> None:
    evening = datetime(2021, 5, 1, 15, 59, tzinfo=UTC)
    moments = [evening, evening + timedelta(minutes=2), evening]
    receipts = office.store(*(draft(Submission(text=WORDS), "li", None, at) for at in moments))
    numbers = [receipt.number for receipt in receipts if isinstance(receipt, Accepted)]
    assert numbers == ["NK20210501-000001", "NK20210502-000001", "NK20210501-000002"]


def test_a_failed_transaction_leaves_no_gap(office: Office) -> None:
    first = office.submit()
    good = draft(Submission(text=WORDS), "li", None, datetime.now(UTC))
    with pytest.raises(psycopg.Error):
        office.store(*(replace(good, id=uuid4()) for _ in range(5)), replace(good, text="\x00"))
    assert int(office.submit()[-6:]) == int(first[-6:]) + 1


def test_repetitions_inside_one_batch_are_answered_in_order(office: Office) -> None:
    drafts = [
        draft(Submission(text=words), "li", key, NOW)
        for words, key in [("甲", "k"), ("乙", None), ("丙", "k"), ("甲", "k"), ("丁", "l")]
    ]
    first, free, other, same, last = office.store(*drafts)
    assert isinstance(other, Problem)
    assert other.slug == "idempotency-key-reused"
    assert first == same
    assert len({str(receipt) for receipt in (first, free, last)}) == 3


def test_one_bad_ticket_does_not_take_others_with_it(office: Office) -> None:
    commit = office.running.parts.state.commit  # type: ignore[attr-defined]
    good = [draft(Submission(text=WORDS), "li", None, datetime.now(UTC)) for _ in range(3)]
    bad = draft(Submission.model_construct(**{**dict(Submission(text=WORDS)), "text": "\x00"}),
                "li", None, datetime.now(UTC))  # fmt: skip

    async def together() -> list[object]:
        sent = [commit.submit(item) for item in (good[0], bad, *good[1:])]
        return list(await asyncio.gather(*sent, return_exceptions=True))

    outcomes = office.in_loop(together)
    assert [type(outcome) for outcome in outcomes] == [Accepted, Problem, Accepted, Accepted]
    stored = {row[0] for row in office.rows("SELECT number FROM ticket")}
    assert {o.number for o in outcomes if isinstance(o, Accepted)} <= stored


def test_what_comes_after_the_end_is_told_to_come_again(office: Office) -> None:
    runtime = office.running.runtime
    store = Store(runtime.database.url, Vault(office.settings), "NK")
    commit = GroupCommit(store, runtime.relay)
    commit.close()
    with pytest.raises(Problem) as refused:
        asyncio.run(commit.submit(draft(Submission(text=WORDS), "li", None, NOW)))
    assert refused.value.status == 503


def test_more_than_can_wait_are_told_to_come_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = office.running.parts.state.commit  # type: ignore[attr-defined]
    monkeypatch.setattr(commit, "_max_waiting", 1)

    async def flood(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        posts = [client.post("/tickets", json={"text": WORDS}) for _ in range(60)]
        return list(await asyncio.gather(*posts))

    before = office.counts()["ticket"]
    answers = run(office, flood)
    stored = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(stored) + len(refused) == 60
    assert refused
    assert all(answer.headers["retry-after"] for answer in refused)
    assert office.counts()["ticket"] == before + len(stored)


@pytest.mark.parametrize("wait", ["0.2", "0.2s"])
def test_a_receipt_that_nobody_answers_to_in_time_says_what_it_knows(
    office: Office, wait: str
) -> None:
    answer = office.post(f"/tickets?wait={wait}", {"text": "路灯不亮"})
    assert answer.status_code == 201
    assert answer.json()["unit"] is None


@pytest.mark.parametrize("wait", ["6", "-1", "2m", "5.1s", "x"])
def test_a_wait_that_is_too_long_or_none_is_refused(office: Office, wait: str) -> None:
    assert office.post(f"/tickets?wait={wait}", {"text": "路灯不亮"}).status_code == 422
