"""Signing in and out, and the change of a password.

Where tokens come from an issuer, people sign in there and come back with a code. Their browser
goes to and fro by pages that lead on, not by redirects: a session's cookie is sent only with
what our own pages ask for, and a form leads nowhere else.
"""

import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from services.desk.accounts import (
    LONGEST_NAME,
    AccountError,
    change_password,
    sign_in,
    sign_out,
)
from services.desk.issued import end_issued, held_by, open_issued
from services.desk.issuer import Issuer
from services.desk.presence import left
from services.desk.remote import Refused
from services.desk.visit import (
    COOKIE,
    Desk,
    Given,
    Pages,
    Posted,
    Signed,
    page,
    read_form,
    said,
    see,
)
from services.desk.vouched import Disowned, Flow, Unsaid

FLOW_COOKIE: Final = "hotline-sign-in"
FLOW_SECONDS: Final = 600
"""How long somebody may take to sign in at the issuer."""
INSIDE: Final = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path of our own, in an address's letters; no backslash, which browsers take for a slash."""
FLOW: Final = re.compile(r"([A-Za-z0-9_-]{43})\.(/.*)")

router = APIRouter()

Credentials = Annotated[Given, Depends(read_form)]


@router.get("/login")
def login_page(desk: Pages, next: str = "/", over: bool = False) -> Response:
    """The form to sign in; `over` says that a session has ended."""
    return page(
        desk, None, "login.html", next=_inside(next), over=over, issued=desk.issuer is not None
    )


@router.post("/login")
def login(request: Request, given: Credentials, desk: Pages) -> Response:
    """Sign in, and go where the visitor wanted to."""
    name, following = said(given, "name"), _inside(said(given, "next"))

    def again(status: int, sentence: str) -> Response:
        shown = {"next": following, "over": False, "error": sentence, "given": {"name": [name]}}
        return page(
            desk, None, "login.html", status, issued=desk.issuer is not None, **shown
        )  # fmt: skip

    if desk.issuer is not None:
        return again(403, "请用统一身份登录。")

    address = request.client.host if request.client else ""
    who = (address, name[:LONGEST_NAME])
    if seconds := desk.names.tried(*who) or desk.addresses.tried(address):
        return again(429, f"密码错得太多，请等 {seconds} 秒。")
    password = next(iter(given.get("password", [])), "")
    opened = sign_in(desk.database, name, password, datetime.now(UTC))
    if opened is None:
        return again(401, "账号或密码不对。")
    desk.names.forget(*who)
    desk.addresses.succeeded(address)
    account, cookie = opened
    answer = see("/password" if account.must_change else following)
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=desk.secure)
    return answer


async def _issuer(desk: Pages) -> Issuer:
    if desk.issuer is None:
        raise Refused(404, "没有这一页。")
    return desk.issuer


Issued = Annotated[Issuer, Depends(_issuer)]


@router.get("/login/issuer")
async def set_out(issuer: Issued, desk: Pages, next: str = "/") -> Response:
    """Go to the issuer; what ties the way back to this browser stays in a cookie."""
    secret = secrets.token_urlsafe(32)
    try:
        address = await issuer.way_in(Flow(secret))
    except Unsaid as error:
        return _not_signed_in(desk, error, _inside(next))
    answer = see(address)
    answer.set_cookie(
        FLOW_COOKIE, f"{secret}.{_inside(next)}", max_age=FLOW_SECONDS, path="/login",
        httponly=True, samesite="lax", secure=desk.secure,
    )  # fmt: skip
    return answer


@router.get("/login/return")
async def come_back(
    request: Request,
    issuer: Issued,
    desk: Pages,
    code: str = "",
    state: str = "",
    iss: str = "",
    error: str = "",
) -> Response:
    """Come back from the issuer, and go where the visitor wanted to."""
    address = request.client.host if request.client else ""
    found = FLOW.fullmatch(request.cookies.get(FLOW_COOKIE, ""))
    flow, following = (Flow(found[1]), _inside(found[2])) if found else (None, "/")
    if seconds := desk.addresses.tried(address):
        return _not_signed_in(desk, Unsaid(429, f"登录失败太多，请等 {seconds} 秒。"), following)
    try:
        if flow is None or not hmac.compare_digest(flow.state.encode(), state.encode()):
            raise Unsaid(400, "这次登录已经过期，或不是从这里开始的。请重新登录。")
        if error or not code or (iss and iss != issuer.address):
            raise Unsaid(403, "统一身份平台没有完成这次登录。请再试，或联系管理员。")
        vouched = await issuer.redeem(code, flow)
    except Unsaid as fault:
        if not isinstance(fault, Disowned):
            desk.addresses.succeeded(address)
        return _not_signed_in(desk, fault, following)
    desk.addresses.succeeded(address)

    def opened() -> str:
        with desk.database.writing() as writer:
            return open_issued(writer, vouched, datetime.now(UTC))

    cookie = await run_in_threadpool(opened)
    answer = page(desk, None, "onward.html", sentence="已登录", onward=following)
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=desk.secure)
    answer.delete_cookie(FLOW_COOKIE, path="/login")
    return answer


def _not_signed_in(desk: Desk, fault: Unsaid, following: str) -> Response:
    """The page to try again."""
    return page(
        desk, None, "login.html", fault.status, issued=True, next=following, over=False,
        error=fault.sentence,
    )  # fmt: skip


@router.post("/logout")
async def logout(request: Request, visitor: Signed, given: Posted, desk: Pages) -> Response:
    """End the session, and the issuer's where it offers that."""
    cookie, issuer = request.cookies[COOKIE], desk.issuer

    def ended() -> str:
        """The issuer's word of who it was."""
        with desk.database.writing() as writer:
            held = held_by(writer, cookie, datetime.now(UTC), active=False) if issuer else None
            (end_issued if issuer else sign_out)(writer, visitor.key)
            left(writer, visitor)
        return held.vouched.identity if held else ""

    identity = await run_in_threadpool(ended)
    onward = await issuer.way_out(identity) if issuer and identity else None
    answer: Response = see("/login")
    if onward is not None:
        answer = page(desk, None, "onward.html", sentence="已退出", onward=onward)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/password")
def password_page(visitor: Signed, desk: Pages) -> Response:
    """The form for another password."""
    _own_passwords(desk)
    return page(desk, visitor, "password.html")


@router.post("/password")
def password(visitor: Signed, given: Posted, desk: Pages) -> Response:
    """Change the password."""
    _own_passwords(desk)
    old, new, again = (next(iter(given.get(name, [])), "") for name in ("old", "new", "again"))
    if seconds := desk.names.tried(visitor.name):
        return page(
            desk, visitor, "password.html", 429, error=f"密码错得太多，请等 {seconds} 秒。"
        )  # fmt: skip
    try:
        if new != again:
            raise AccountError("两次写的新密码不一样")
        with desk.database.writing() as writer:
            change_password(writer, visitor.name, visitor.key, old, new, datetime.now(UTC))
    except AccountError as error:
        return page(desk, visitor, "password.html", 422, error=f"{error}。")
    desk.names.forget(visitor.name)
    return see("/")


def _own_passwords(desk: Desk) -> None:
    if desk.issuer is not None:
        raise Refused(403, "密码请到统一身份平台修改。")


def _inside(path: str) -> str:
    """A path of our own, whatever was asked for."""
    return path if INSIDE.fullmatch(path) else "/"
