"""Behind a proxy wrong passwords are counted by where visitors come from; nobody can pretend."""

import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from deploy.ports import free_ports
from deploy.stack import Process
from services.desk.app import FROM_AN_ADDRESS, OF_A_NAME
from tests.desk.conftest import PASSWORD, Office


@pytest.fixture(scope="module")
def behind_proxy(office: Office) -> Iterator[str]:
    """The address of pages that trust this machine to say where visitors come from."""
    settings = office.stack.settings.model_copy(
        update={
            "trusted_proxies": "127.0.0.0/8,10.9.0.0/16",
            "desk_port": free_ports(1)[0],
            "grafana_url": "/grafana/",
        }
    )
    desk = Process(settings, "desk", "api")
    desk.start()
    try:
        desk.wait_ready()
        yield desk.address
    finally:
        desk.stop()


def tried(address: str, forwarded: str) -> int:
    """What a wrong password is answered that comes over these addresses."""
    answer = httpx2.post(
        f"{address}/login",
        data={"name": secrets.token_hex(4), "password": "wrong password"},
        headers={"X-Forwarded-For": forwarded},
    )
    return answer.status_code


def test_one_visitor_does_not_shut_the_others_out(behind_proxy: str) -> None:
    for _ in range(FROM_AN_ADDRESS[0]):
        assert tried(behind_proxy, "203.0.113.7") == 401
    assert tried(behind_proxy, "203.0.113.7") == 429
    assert tried(behind_proxy, "203.0.113.8") == 401
    assert tried(behind_proxy, "203.0.113.9, 203.0.113.7, 10.9.3.1") == 429, "as our proxies say"


@pytest.mark.parametrize("name", ["李芳", "没有此人"])
def test_who_tries_the_passwords_of_a_name_rests_and_locks_nobody_out(
    behind_proxy: str, name: str
) -> None:
    def tried_as(password: str, forwarded: str) -> int:
        given = {"name": name, "password": password}
        headers = {"X-Forwarded-For": forwarded}
        return httpx2.post(f"{behind_proxy}/login", data=given, headers=headers).status_code

    most, _ = OF_A_NAME
    answers = [tried_as(f"wrong {n}", "203.0.113.20") for n in range(most + 1)]
    assert answers == [401] * most + [429]
    assert tried_as(PASSWORD, "203.0.113.20") == 429
    assert tried_as(PASSWORD, "203.0.113.21") == (303 if name == "李芳" else 401)


def test_many_wrong_passwords_at_once_are_no_more_than_may_fail(behind_proxy: str) -> None:
    def tried_once(_: int) -> int:
        given = {"name": "王芳", "password": "wrong"}
        headers = {"X-Forwarded-For": "203.0.113.30"}
        answer = httpx2.post(f"{behind_proxy}/login", data=given, headers=headers, timeout=30)
        return answer.status_code

    with ThreadPoolExecutor(45) as crowd:
        answers = Counter(crowd.map(tried_once, range(45)))
    assert answers == {401: OF_A_NAME[0], 429: 45 - OF_A_NAME[0]}


def test_supervisors_find_their_figures(behind_proxy: str) -> None:
    with httpx2.Client(base_url=behind_proxy) as client:
        for name, found in (("吴刚", True), ("李芳", False)):
            client.post("/login", data={"name": name, "password": PASSWORD})
            page = client.get("/", follow_redirects=True)
            assert ('href="/grafana/"' in page.text) is found


def test_who_is_no_trusted_proxy_says_nothing_about_visitors(office: Office) -> None:
    for last in range(FROM_AN_ADDRESS[0]):
        assert tried(office.address, f"203.0.113.{last}") == 401
    assert tried(office.address, "203.0.113.99") == 429
