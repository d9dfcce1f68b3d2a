"""Signing in and out, and the change of a password."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.desk.accounts import (
    LONGEST_NAME,
    AccountError,
    change_password,
    sign_in,
    sign_out,
)
from services.desk.visit import (
    COOKIE,
    Given,
    Pages,
    Posted,
    Signed,
    page,
    read_form,
    said,
    see,
)

router = APIRouter()

Credentials = Annotated[Given, Depends(read_form)]


@router.get("/login")
def login_page(desk: Pages, next: str = "/", over: bool = False) -> Response:
    """The form to sign in; `over` says that a session has ended."""
    return page(desk, None, "login.html", next=_inside(next), over=over)


@router.post("/login")
def login(request: Request, given: Credentials, desk: Pages) -> Response:
    """Sign in, and go where the visitor wanted to."""
    name, following = said(given, "name"), _inside(said(given, "next"))

    def again(status: int, sentence: str) -> Response:
        shown = {"next": following, "over": False, "error": sentence, "given": {"name": [name]}}
        return page(desk, None, "login.html", status, **shown)

    address = request.client.host if request.client else ""
    who = (address, name[:LONGEST_NAME])
    if seconds := max(desk.addresses.rest(address), desk.names.rest(*who)):
        return again(429, f"密码错得太多，请等 {seconds} 秒。")
    password = next(iter(given.get("password", [])), "")
    with desk.database.writing() as writer:
        opened = sign_in(writer, name, password, datetime.now(UTC))
    if opened is None:
        desk.addresses.failed(address)
        desk.names.failed(*who)
        return again(401, "账号或密码不对。")
    desk.names.succeeded(*who)
    account, cookie = opened
    answer = see("/password" if account.must_change else following)
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=desk.secure)
    return answer


@router.post("/logout")
def logout(visitor: Signed, given: Posted, desk: Pages) -> Response:
    """End the session."""
    with desk.database.writing() as writer:
        sign_out(writer, visitor.key)
    answer = see("/login")
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/password")
def password_page(visitor: Signed, desk: Pages) -> Response:
    """The form for another password."""
    return page(desk, visitor, "password.html")


@router.post("/password")
def password(visitor: Signed, given: Posted, desk: Pages) -> Response:
    """Change the password."""
    old, new, again = (next(iter(given.get(name, [])), "") for name in ("old", "new", "again"))
    try:
        if new != again:
            raise AccountError("两次写的新密码不一样")
        with desk.database.writing() as writer:
            change_password(writer, visitor.name, visitor.key, old, new, datetime.now(UTC))
    except AccountError as error:
        return page(desk, visitor, "password.html", 422, error=f"{error}。")
    return see("/")


def _inside(path: str) -> str:
    """A path of our own, whatever was asked for."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
