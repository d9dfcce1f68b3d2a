"""Signing in at an issuer: whom its word lets in, for how long, and what stops nobody."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from deploy.ports import free_ports
from services.desk import issuer as asking
from services.desk.accounts import add_account
from services.desk.app import create_desk
from services.desk.visit import COOKIE
from shared.database import Database
from shared.roles import Role
from shared.settings import Settings
from tests.issuing import SECRET, Issuer, serving_issuer
from tests.serving import served

AGAIN = "用统一身份登录"
UNSOUND = "凭据不能确认"
STRANGER = "没有登记热线的身份或单位"
UNANSWERED = "统一身份平台没有应答"
Window = httpx2.Client


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as server:
        yield server


@pytest.fixture
def database(installation: tuple[Settings, Database]) -> Database:
    """The same, with nobody signed in."""
    with installation[1].writing() as writer:
        writer.execute(text("DELETE FROM issued_session"))
    return installation[1]


@pytest.fixture
def desk(
    installation: tuple[Settings, Database], database: Database, issuer: Issuer
) -> Iterator[str]:
    """The address of pages whose people sign in at the issuer; no other service runs."""
    (nobody,) = free_ports(1)
    services = ("intake", "classifier", "router")
    away = {f"{name}_url": f"http://127.0.0.1:{nobody}" for name in services}
    settings = installation[0].model_copy(
        update={
            "oidc_issuer": issuer.url,
            "oidc_client_secret": SecretStr(SECRET),
            "desk_url": "http://desk.example/",
            **away,
        }
    )
    with served(create_desk(settings)) as address:
        yield address


@contextmanager
def window(desk: str) -> Iterator[Window]:
    with httpx2.Client(base_url=desk, follow_redirects=False, timeout=30) as client:
        yield client


def set_out(client: Window, following: str = "/register") -> dict[str, str]:
    """What the issuer is asked by a browser that sets out."""
    answer = client.get("/login/issuer", params={"next": following})
    assert answer.status_code == 303, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def come_back(client: Window, address: str, **changed: str) -> httpx2.Response:
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    return client.get("/login/return", params=query | changed)


def signed_in(client: Window, issuer: Issuer, who: str = "lifang") -> httpx2.Response:
    """The answer to somebody who comes back from the issuer."""
    return come_back(client, issuer.coded(who, set_out(client)))


def still_in(client: Window) -> bool:
    return client.get("/").headers.get("location") == "/register"


def refused(answer: httpx2.Response, status: int, sentence: str) -> bool:
    """Whether nobody was signed in, the sentence says why, and there is a way to try again."""
    assert COOKIE not in answer.cookies
    assert AGAIN in answer.text
    return (answer.status_code, sentence in answer.text) == (status, True)


def test_who_signs_in_at_the_issuer_goes_where_they_wanted_to(desk: str, issuer: Issuer) -> None:
    with window(desk) as client:
        asked = set_out(client, "/register/0123456789abcdef0")
        assert asked["redirect_uri"] == "http://desk.example/login/return"
        assert asked["code_challenge_method"] == "S256"
        answer = come_back(client, issuer.coded("lifang", asked))
        assert 'content="0;url=/register/0123456789abcdef0"' in answer.text
        assert still_in(client)
        page = client.get("/register/0123456789abcdef0").text
        assert "李芳" in page
        assert 'data-user="lifang"' in page


def test_the_cookies_are_for_this_site_and_the_flows_is_short(desk: str, issuer: Issuer) -> None:
    with window(desk) as client:
        way = client.get("/login/issuer").headers["set-cookie"].lower()
        assert {"httponly", "samesite=lax", "path=/login", "max-age=600"} <= {*way.split("; ")}
        given = signed_in(client, issuer).headers.get_list("set-cookie")
        (session,) = (each.lower() for each in given if each.startswith(f"{COOKIE}="))
        assert {"httponly", "samesite=strict"} <= {*session.split("; ")}
        assert any("hotline-sign-in=" in each and "Max-Age=0" in each for each in given)


@pytest.mark.parametrize(
    "following",
    ["//evil.example/", "https://evil.example", "/\\evil.example", "/\t/evil.example", "/'><b>"],
)
def test_the_way_back_leads_nowhere_else(desk: str, issuer: Issuer, following: str) -> None:
    with window(desk) as client:
        answer = come_back(client, issuer.coded("lifang", set_out(client, following)))
        (onward,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]*)"', answer.text)
        assert onward in ("/", "/&#39;&gt;&lt;b&gt;")


def test_an_answer_that_belongs_to_no_flow_of_this_browser_is_not_taken(
    desk: str, issuer: Issuer
) -> None:
    with window(desk) as mine, window(desk) as theirs:
        address = issuer.coded("lifang", set_out(mine))
        assert refused(come_back(mine, address, state="x"), 400, "不是从这里开始的")
        assert refused(come_back(theirs, address), 400, "不是从这里开始的")
        set_out(theirs)
        assert refused(come_back(theirs, address), 400, "不是从这里开始的")
        assert issuer.codes, "the code was not even tried"
        assert come_back(mine, address).status_code == 200


def test_a_code_is_good_once_and_for_its_own_browser(desk: str, issuer: Issuer) -> None:
    with window(desk) as client, window(desk) as thief:
        address = issuer.coded("lifang", set_out(client))
        theirs = set_out(thief)
        assert refused(come_back(thief, address, state=theirs["state"]), 401, "已经用过或过期")
        again = issuer.coded("lifang", set_out(client))
        flow = dict(client.cookies)
        assert come_back(client, again).status_code == 200
        with window(desk) as replaying:
            replaying.cookies.update(flow)
            assert refused(come_back(replaying, again), 401, "已经用过或过期")


def test_who_tries_codes_rests(desk: str, issuer: Issuer) -> None:
    with window(desk) as client:
        asked = set_out(client)
        tried = [
            client.get("/login/return", params={"code": f"{n}", "state": asked["state"]})
            for n in range(21)
        ]
    assert [answer.status_code for answer in tried] == [401] * 20 + [429]


def test_another_issuers_answer_is_not_taken(desk: str, issuer: Issuer) -> None:
    with window(desk) as client:
        address = issuer.coded("lifang", set_out(client))
        assert refused(come_back(client, address, iss="https://evil.example"), 403, "没有完成")
        failed = come_back(client, address, error="access_denied", code="")
        assert refused(failed, 403, "没有完成")
        assert "access_denied" not in failed.text


@pytest.mark.parametrize(
    ("identity", "access"),
    [
        ({"nonce": "another"}, {}),
        ({"nonce": None}, {}),
        ({"nonce": 7}, {}),
        ({"iss": "https://evil.example"}, {}),
        ({"aud": "another client"}, {}),
        ({"aud": ["hotline", "another"], "azp": "another"}, {}),
        ({"sub": "zhoumin"}, {}),
        ({"exp": 1}, {}),
        ({"at_hash": "of another token"}, {}),
        ({}, {"iss": "https://evil.example"}),
        ({}, {"aud": "another"}),
        ({}, {"exp": 1}),
        ({}, {"exp": int(time.time()) - 2}),
    ],
)
def test_tokens_that_prove_nothing_let_nobody_in(
    desk: str, issuer: Issuer, identity: dict[str, Any], access: dict[str, Any]
) -> None:
    issuer.moods.identity, issuer.moods.access = identity, access
    with window(desk) as client:
        assert refused(signed_in(client, issuer), 502, UNSOUND)


def test_tokens_signed_by_a_stranger_let_nobody_in(desk: str, issuer: Issuer) -> None:
    with window(desk) as client:
        assert signed_in(client, issuer).status_code == 200
        with serving_issuer() as stranger:
            issuer.key = stranger.key
            assert refused(signed_in(client, issuer), 502, UNSOUND)


@pytest.mark.parametrize("who", ["mayor", "nowhere", "program"])
def test_who_is_nobody_to_the_hotline_is_told_so(desk: str, issuer: Issuer, who: str) -> None:
    with window(desk) as client:
        assert refused(signed_in(client, issuer, who), 403, STRANGER)


def test_accounts_of_the_pages_are_closed_where_there_is_an_issuer(
    desk: str, issuer: Issuer, database: Database
) -> None:
    with database.writing() as writer:
        writer.execute(text("DELETE FROM account"))
        now = datetime.now(UTC)
        add_account(writer, "吴刚", Role.SUPERVISOR, None, "right password", now)
    with window(desk) as client:
        assert "<input" not in client.get("/login").text
        given = {"name": "吴刚", "password": "right password"}
        assert refused(client.post("/login", data=given), 403, AGAIN)
        signed_in(client, issuer)
        assert "统一身份平台修改" in client.get("/password").text


def test_without_an_issuer_there_is_no_way_to_one(
    installation: tuple[Settings, Database],
) -> None:
    with served(create_desk(installation[0])) as address, window(address) as client:
        assert [client.get(f"/login/{way}").status_code for way in ("issuer", "return")] == [
            404
        ] * 2
        assert AGAIN not in client.get("/login").text


@pytest.mark.parametrize("in_body", [False, True])
def test_the_clients_secret_goes_the_way_the_issuer_takes_it(
    desk: str, issuer: Issuer, in_body: bool
) -> None:
    issuer.moods.secret_in_body = in_body
    with window(desk) as client:
        assert signed_in(client, issuer).status_code == 200


def test_a_token_is_renewed_before_it_ends_and_once(desk: str, issuer: Issuer) -> None:
    issuer.moods.life = 20
    with window(desk) as client:
        signed_in(client, issuer)
        issuer.moods.life = 600
        for _ in range(3):
            assert still_in(client)
        eventually(lambda: issuer.renewed == 1)
        time.sleep(0.3)
        assert still_in(client)
        assert issuer.renewed == 1


def test_a_session_outlives_its_tokens_as_long_as_the_issuer_renews_them(
    desk: str, issuer: Issuer, database: Database
) -> None:
    with window(desk) as client:
        signed_in(client, issuer)
        end_tokens(database)
        assert still_in(client)
        assert issuer.renewed == 1
        issuer.refreshes.clear()
        end_tokens(database)
        assert not still_in(client)
        assert client.get("/").headers["location"].startswith("/login?next=")


def test_many_requests_at_once_renew_a_token_once(
    desk: str, issuer: Issuer, database: Database
) -> None:
    with window(desk) as client, ThreadPoolExecutor(8) as pool:
        signed_in(client, issuer)
        end_tokens(database)
        assert all(pool.map(lambda _: still_in(client), range(16)))
        assert issuer.renewed == 1


def test_a_session_without_renewal_ends_with_its_token(desk: str, issuer: Issuer) -> None:
    issuer.moods.renews, issuer.moods.life = False, 3
    with window(desk) as client:
        signed_in(client, issuer)
        assert still_in(client)
        time.sleep(3.1)
        assert not still_in(client)


def test_a_role_that_changes_at_the_issuer_changes_with_the_next_token(
    desk: str, issuer: Issuer, database: Database
) -> None:
    with window(desk) as client:
        signed_in(client, issuer)
        issuer.moods.access = {"role": "supervisor"}
        end_tokens(database)
        assert client.get("/").headers["location"] == "/oversight"
        issuer.moods.access = {"sub": "zhoumin"}
        end_tokens(database)
        assert client.get("/").headers["location"].startswith("/login")


def test_who_reads_the_database_finds_no_token(
    desk: str, issuer: Issuer, database: Database
) -> None:
    with window(desk) as client:
        signed_in(client, issuer)
        cookie = client.cookies[COOKIE]
    with database.engine.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM issued_session").all()
    (refresh,) = issuer.refreshes
    for secret in (cookie, refresh, "eyJ"):
        assert secret not in repr(row)
        assert secret.encode() not in row.sealed


@pytest.mark.parametrize("offered", [True, False])
def test_signing_out_ends_it_at_the_issuer_too_where_it_offers_that(
    desk: str, issuer: Issuer, offered: bool
) -> None:
    issuer.moods.farewell = offered
    with window(desk) as client:
        signed_in(client, issuer)
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/register/" + "0" * 20).text)
        assert csrf is not None
        answer = client.post("/logout", data={"csrf": csrf[1]})
        assert not still_in(client)
    assert (answer.headers.get("location") == "/login") is not offered
    assert (f"{issuer.url}/farewell?id_token_hint=" in answer.text) is offered
    assert ("post_logout_redirect_uri=http%3A%2F%2Fdesk.example%2Flogin" in answer.text) is offered


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": None},
        {"token_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "//evil.example\n"},
    ],
)
def test_an_issuer_that_describes_another_is_not_asked(
    desk: str, issuer: Issuer, description: dict[str, Any]
) -> None:
    issuer.moods.description = description
    with window(desk) as client:
        assert refused(client.get("/login/issuer"), 503, UNANSWERED)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{" * 100_000, b'"' + b"x" * 2_000_000 + b'"', b"\xff"]
)
def test_an_issuer_that_talks_nonsense_is_a_sentence(
    desk: str, issuer: Issuer, body: bytes
) -> None:
    with window(desk) as client:
        asked = set_out(client)
        issuer.moods.body = body
        assert refused(come_back(client, issuer.coded("lifang", asked)), 503, UNANSWERED)
    with window(desk) as client:
        assert client.get("/login/issuer").status_code == 303, "it was known before"


def test_a_hanging_issuer_stops_nobody_who_is_signed_in(
    desk: str, issuer: Issuer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 4.0)
    with window(desk) as inside, window(desk) as renewing, window(desk) as outside:
        signed_in(inside, issuer)
        signed_in(renewing, issuer)
        asked = set_out(outside)
        issuer.hanging.set()
        end_tokens(database, timedelta(seconds=20))
        started = time.monotonic()
        assert still_in(renewing)
        assert still_in(inside)
        assert time.monotonic() - started < asking.ANSWER_SECONDS
        assert refused(come_back(outside, issuer.coded("lifang", asked)), 503, UNANSWERED)
        end_tokens(database)
        waiting = renewing.get("/")
        assert (waiting.status_code, "写的内容还在" in waiting.text) == (503, True)
        issuer.hanging.clear()
        end_tokens(database)
        assert still_in(renewing), "it was not signed out"


def end_tokens(database: Database, left: timedelta = timedelta(seconds=-1)) -> None:
    """Let every token end now, or soon."""
    change = "UPDATE issued_session SET expires_at = :at, renewing_until = NULL"
    with database.writing() as writer:
        writer.execute(text(change), {"at": datetime.now(UTC) + left})


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
