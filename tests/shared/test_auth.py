"""Tokens: whose are taken, whose are not, and what they may say."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from shared import issuer_keys
from shared.auth import REMEMBERED_TOKENS, Authority, Principal, issue_token
from shared.problems import Problem
from shared.roles import Role
from shared.settings import Settings
from tests.issuing import Issuer, serving_issuer

SECRET = "5a" * 32
OTHER_SECRET = "a5" * 32


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with a secret of its own; needs no database."""
    return Settings(home=tmp_path, jwt_secret=SecretStr(SECRET))


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of a good operator's token, some of them changed; None leaves one out."""
    now = int(time.time())
    good = {"iss": "hotline", "aud": "hotline", "sub": "li", "role": "operator", "exp": now + 60}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(payload: dict[str, Any], secret: str = SECRET) -> str:
    return jwt.encode(payload, bytes.fromhex(secret), algorithm="HS256")


def of(issuer: Issuer, **changed: Any) -> str:
    """A token signed by the issuer."""
    return issuer.signed(claims(iss=issuer.url, **changed))


def status_of(settings: Settings, header: str | None) -> int:
    try:
        Authority(settings).authenticate(header)
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("role", "unit", "name", "principal"),
    [
        (Role.OPERATOR, None, None, Principal("operator", Role.OPERATOR)),
        (Role.OPERATOR, None, "坐席01", Principal("坐席01", Role.OPERATOR)),
        (Role.UNIT, "housing", None, Principal("unit-housing", Role.UNIT, "housing")),
        (Role.DISPATCHER, None, None, Principal("dispatcher", Role.DISPATCHER)),
    ],
)
def test_an_issued_token_names_its_bearer(
    settings: Settings, role: Role, unit: str | None, name: str | None, principal: Principal
) -> None:
    token = issue_token(settings, role, unit=unit, name=name)
    assert Authority(settings).authenticate(f"Bearer {token}") == principal


@pytest.mark.parametrize(
    ("role", "unit", "name"),
    [
        (Role.UNIT, None, None),
        (Role.OPERATOR, "housing", None),
        (Role.UNIT, "Housing!", None),
        (Role.OPERATOR, None, ""),
        (Role.OPERATOR, None, "x" * 101),
        (Role.OPERATOR, None, "a\x00b"),
    ],
)
def test_a_token_that_would_be_refused_is_not_issued(
    settings: Settings, role: Role, unit: str | None, name: str | None
) -> None:
    with pytest.raises(ValueError, match=r"UNIT|unit slug|NAME"):
        issue_token(settings, role, unit=unit, name=name)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic eDp5",
        "bearer\x00",
        "Bearer é",
    ],
)
def test_no_token_is_no_caller(settings: Settings, header: str | None) -> None:
    assert status_of(settings, header) == 401


@pytest.mark.parametrize(
    "token",
    [
        signed(claims(exp=int(time.time()) - 1)),
        signed(claims(exp=None)),
        signed(claims(sub=None)),
        signed(claims(sub="")),
        signed(claims(sub="x" * 101)),
        signed(claims(sub="a\nb")),
        signed(claims(aud="another")),
        signed(claims(aud=None)),
        signed(claims(iss="another")),
        signed(claims(role="mayor")),
        signed(claims(role=None)),
        signed(claims(role=["operator"])),
        signed(claims(role="unit")),
        signed(claims(role="unit", unit="Housing!")),
        signed(claims(role="unit", unit=["housing"])),
        signed(claims(), secret=OTHER_SECRET),
        jwt.encode(claims(), "", algorithm="none"),
        signed(claims())[:-2],
    ],
)
def test_a_token_that_is_not_ours_or_says_too_little_is_refused(
    settings: Settings, token: str
) -> None:
    assert status_of(settings, f"Bearer {token}") == 401


def test_a_new_secret_takes_the_tokens_of_the_one_it_replaces(settings: Settings) -> None:
    def installation(*secrets: str) -> Settings:
        return Settings(home=settings.home, jwt_secret=SecretStr(" ".join(secrets)))

    old, both, new = (
        installation(SECRET),
        installation(OTHER_SECRET, SECRET),
        installation(OTHER_SECRET),
    )
    of_old, of_both = (f"Bearer {issue_token(each, Role.OPERATOR)}" for each in (old, both))
    of_before_ids = f"Bearer {signed(claims())}"
    assert [status_of(both, each) for each in (of_old, of_both, of_before_ids)] == [200] * 3
    assert [status_of(new, each) for each in (of_old, of_both, of_before_ids)] == [401, 200, 401]


def test_the_refusal_says_how_to_log_in_and_nothing_of_the_token(settings: Settings) -> None:
    with pytest.raises(Problem) as refused:
        Authority(settings).authenticate("Bearer geheim")
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    assert b"geheim" not in bytes(refused.value.response().body)


def test_a_role_but_unit_has_no_unit_whatever_its_token_says(settings: Settings) -> None:
    caller = Authority(settings).authenticate(f"Bearer {signed(claims(unit='housing'))}")
    assert caller.unit is None


def test_a_remembered_token_is_forgotten_when_it_expires(settings: Settings) -> None:
    authority = Authority(settings)
    header = f"Bearer {signed(claims(exp=int(time.time()) + 2))}"
    caller = authority.authenticate(header)
    assert authority.remembered(header) == caller
    deadline = time.monotonic() + 10
    while authority.remembered(header) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(Problem):
        authority.authenticate(header)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(("ahead", "status"), [(2, 200), (25, 200), (90, 401)])
def test_an_issuers_clock_may_run_a_little_ahead(
    settings: Settings, claim: str, ahead: int, status: int
) -> None:
    token = signed(claims(exp=int(time.time()) + 600, **{claim: int(time.time()) + ahead}))
    assert status_of(settings, f"Bearer {token}") == status


@pytest.mark.parametrize("ago", [1, 10, 29, 60])
def test_an_ended_token_has_no_leeway(settings: Settings, ago: int) -> None:
    assert status_of(settings, f"Bearer {signed(claims(exp=int(time.time()) - ago))}") == 401


def test_only_so_many_tokens_are_remembered(settings: Settings) -> None:
    authority = Authority(settings)
    headers = [f"Bearer {signed(claims(sub=f's{n}'))}" for n in range(REMEMBERED_TOKENS + 1)]
    for header in headers:
        authority.authenticate(header)
    assert authority.remembered(headers[0]) is None
    assert authority.remembered(headers[-1]) is not None


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as server:
        yield server


def test_an_issuers_token_is_taken_and_no_other_is(tmp_path: Path, issuer: Issuer) -> None:
    settings = Settings(home=tmp_path, oidc_issuer=issuer.url)
    caller = Authority(settings).authenticate(f"Bearer {of(issuer, role='supervisor')}")
    assert caller == Principal("li", Role.SUPERVISOR)
    local = issue_token(Settings(home=tmp_path), Role.OPERATOR)
    for token in (local, of(issuer, aud="x"), of(issuer, exp=1), of(issuer, role="mayor")):
        assert status_of(settings, f"Bearer {token}") == 401


def test_the_issuers_public_key_is_no_secret_to_sign_with(tmp_path: Path, issuer: Issuer) -> None:
    settings = Settings(home=tmp_path, oidc_issuer=issuer.url)
    payload = claims(iss=issuer.url)
    forged = jwt.encode(payload, b"k" * 32, algorithm="HS256", headers={"kid": "k1"})
    assert status_of(settings, f"Bearer {forged}") == 401


def test_an_issuer_that_is_away_is_no_fault_of_the_caller(tmp_path: Path, issuer: Issuer) -> None:
    away = Settings(home=tmp_path, oidc_issuer=issuer.url, oidc_jwks_url="http://127.0.0.1:9/keys")
    assert status_of(away, f"Bearer {of(issuer)}") == 503


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def outcome(authority: Authority, token: str) -> int:
    """The status a bearer of this token is answered with, by the way requests take."""
    header = f"Bearer {token}"
    try:
        return 200 if authority.remembered(header) or authority.authenticate(header) else 0
    except Problem as problem:
        return problem.status


def test_a_new_key_is_found_and_a_withdrawn_one_refused_though_its_tokens_were_remembered(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOL_DOWN_SECONDS", 0.2)
    authority = Authority(Settings(home=tmp_path, oidc_issuer=issuer.url))
    old = of(issuer)
    assert outcome(authority, old) == 200
    issuer.renew()
    time.sleep(0.3)
    assert outcome(authority, of(issuer)) == 503
    eventually(lambda: outcome(authority, of(issuer)) == 200)
    time.sleep(0.3)
    eventually(lambda: outcome(authority, old) == 401)


def test_invented_keys_make_the_issuer_be_asked_no_more_often(
    tmp_path: Path, issuer: Issuer
) -> None:
    authority = Authority(Settings(home=tmp_path, oidc_issuer=issuer.url))
    assert outcome(authority, of(issuer)) == 200
    for number in range(50):
        issuer.name = f"made-up-{number}"
        assert outcome(authority, of(issuer)) == 401
    assert issuer.asked == 1


def test_a_hanging_issuer_stops_nobody_who_holds_a_good_token(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.1)
    authority = Authority(Settings(home=tmp_path, oidc_issuer=issuer.url))
    assert outcome(authority, of(issuer)) == 200
    issuer.hanging.set()
    asked = issuer.asked
    eventually(lambda: issuer.asked > asked)
    started = time.monotonic()
    for number in range(50):
        assert outcome(authority, of(issuer, sub=f"s{number}")) == 200
    assert time.monotonic() - started < 1


def test_keys_of_an_issuer_that_stays_away_are_not_trusted_for_ever(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(Settings(home=tmp_path, oidc_issuer=issuer.url))
    assert outcome(authority, of(issuer)) == 200
    monkeypatch.setattr(issuer_keys, "LIFE_SECONDS", -1)
    assert outcome(authority, of(issuer, sub="another")) == 503
