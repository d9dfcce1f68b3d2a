"""Who may open which page and send which form: every route, every role, by one table."""

from collections.abc import Iterator, Mapping

import httpx2
import pytest
from fastapi.routing import APIRoute

from services.desk import (
    case_pages,
    centre_pages,
    import_pages,
    live,
    operator_pages,
    signing_in,
)
from shared.roles import Role
from tests.desk.conftest import PASSWORD, PEOPLE, Office

NOT_YOURS = "您的身份没有这一页"
EXPIRED = "这一页已经过期"
ALL = frozenset({Role.OPERATOR, Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR})
HANDLERS = ALL - {Role.OPERATOR}
WORKERS = frozenset({Role.UNIT, Role.DISPATCHER})
ONLY = {role: frozenset({role}) for role in ALL}
ACCESS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("POST", "/logout"): ALL,
    ("GET", "/password"): ALL,
    ("POST", "/password"): ALL,
    ("GET", "/register"): ONLY[Role.OPERATOR],
    ("GET", "/register/{form_id}"): ONLY[Role.OPERATOR],
    ("POST", "/register/{form_id}"): ONLY[Role.OPERATOR],
    ("POST", "/preview"): ONLY[Role.OPERATOR],
    ("GET", "/tickets"): ONLY[Role.OPERATOR],
    ("GET", "/tickets/{number}"): ONLY[Role.OPERATOR],
    ("POST", "/tickets/{number}/caller"): ONLY[Role.OPERATOR],
    ("POST", "/tickets/{number}/{act}"): ONLY[Role.OPERATOR],
    ("GET", "/imports"): ONLY[Role.OPERATOR],
    ("POST", "/imports"): ONLY[Role.OPERATOR],
    ("GET", "/imports/{job}"): ONLY[Role.OPERATOR],
    ("GET", "/imports/{job}/lines"): ONLY[Role.OPERATOR],
    ("POST", "/imports/{job}/{act}"): ONLY[Role.OPERATOR],
    ("GET", "/queue"): WORKERS,
    ("POST", "/queue/accept"): WORKERS,
    ("GET", "/cases/{number}"): HANDLERS,
    ("POST", "/cases/{number}/caller"): HANDLERS,
    ("POST", "/cases/{number}/{command}"): HANDLERS,
    ("GET", "/whistles"): HANDLERS,
    ("GET", "/whistles/{number}"): HANDLERS,
    ("POST", "/whistles/{number}/{command}"): HANDLERS,
    ("GET", "/reviews"): ONLY[Role.DISPATCHER],
    ("POST", "/reviews/{number}"): ONLY[Role.DISPATCHER],
    ("POST", "/reviews/{number}/undo"): ONLY[Role.DISPATCHER],
    ("GET", "/incidents"): ONLY[Role.DISPATCHER],
    ("GET", "/incidents/{number}"): ONLY[Role.DISPATCHER],
    ("POST", "/incidents/{number}/merge"): ONLY[Role.DISPATCHER],
    ("POST", "/incidents/{number}/dismiss"): ONLY[Role.DISPATCHER],
    ("GET", "/oversight"): ONLY[Role.SUPERVISOR],
    ("GET", "/alerts"): WORKERS,
    ("GET", "/events"): WORKERS,
}
OPEN = {
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/login/issuer"),
    ("GET", "/login/return"),
}
"""What nobody has to be signed in for."""
NAMES = {role: name for name, role, _ in reversed(PEOPLE)}
NUMBER = "NK20260101-000001"


@pytest.fixture(scope="module")
def sessions(office: Office) -> Iterator[Mapping[Role, httpx2.Client]]:
    """Everybody's session without a browser."""
    clients = {role: httpx2.Client(base_url=office.address) for role in ALL}
    for role, client in clients.items():
        client.post("/login", data={"name": NAMES[role], "password": PASSWORD})
    yield clients
    for client in clients.values():
        client.close()


def asked(client: httpx2.Client, method: str, path: str) -> tuple[int, str]:
    """The answer's status and, unless it streams, its words."""
    filled = path.format(
        form_id="0123456789abcdef0", number=NUMBER, act="urges", job=NUMBER, command="accept"
    )
    with client.stream(method, filled) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, ""
        return answer.status_code, answer.read().decode()


def test_the_table_names_every_route() -> None:
    parts = (signing_in, operator_pages, import_pages, case_pages, centre_pages, live)
    routes = {
        (method, route.path)
        for part in parts
        for route in part.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes == {*ACCESS, *OPEN}


@pytest.mark.parametrize(("method", "path"), ACCESS)
@pytest.mark.parametrize("role", sorted(ALL))
def test_a_route_is_for_its_roles_alone(
    sessions: Mapping[Role, httpx2.Client], role: Role, method: str, path: str
) -> None:
    status, words = asked(sessions[role], method, path)
    if role not in ACCESS[method, path]:
        assert (status, NOT_YOURS in words) == (403, True)
    elif method == "POST":
        assert status in (403, 413), "a form without its page's token is taken from nobody"
        assert NOT_YOURS not in words
    else:
        assert status in (200, 303, 404)
        assert NOT_YOURS not in words


@pytest.mark.parametrize(("method", "path"), ACCESS)
def test_nothing_is_shown_or_taken_of_who_is_not_signed_in(
    office: Office, method: str, path: str
) -> None:
    with httpx2.Client(base_url=office.address) as nobody:
        status, words = asked(nobody, method, path)
    assert status in (303, 401)
    assert NUMBER not in words
