"""A request to a page: who makes it, what they may see, and what a form has brought.

Authorisation comes before anything else, the form's body after it. A form is taken only with
the token that its page was given (CSRF), and only from a browser that is signed in.
"""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from services.desk import way, words
from services.desk.accounts import Visitor, visitor_of
from services.desk.alerts import Alerts, alerts_for
from services.desk.issued import issued_visitor
from services.desk.issuer import Issuer
from services.desk.remote import Refused, Services
from shared.database import Database
from shared.names import CLOCK_NAMES, DUTY_NAMES, FLAG_NAMES
from shared.roles import Role

COOKIE: Final = "hotline"
MAX_FORM: Final = 200_000
HERE: Final = Path(__file__).parent
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Nothing inline, nothing foreign, nothing kept by a browser others use too."""
WAITING: Final = ("/events", "/alerts")
"""What a page asks by itself: no use of it by its visitor."""
HOME: Final = {
    Role.OPERATOR: "/register",
    Role.UNIT: "/queue",
    Role.DISPATCHER: "/queue",
    Role.SUPERVISOR: "/oversight",
}


class SignedOut(Exception):
    """Nobody is signed in: the page to sign in is shown instead."""


class Denied(Exception):
    """The visitor's role has no such page."""


@dataclass
class Limiter:
    """How often sign-ins may fail, in this process: `most` times in `seconds`.

    They are counted by address, and by address and name: whoever tries the passwords of a name
    keeps nobody else from using it, and learns nothing of whether there is such a name. Right
    ones do not count: a whole office signs in at once from one address.
    """

    most: int
    seconds: float
    _failed: OrderedDict[tuple[str, ...], list[float]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def tried(self, *who: str) -> int:
        """Count a try before it is made; the seconds to wait where it is not to be made, else 0.

        Of many that come at once no more are made than may fail.
        """
        with self._lock:
            recent = self._recent(who)
            if len(recent) >= self.most:
                return int(recent[-self.most] + self.seconds - time.monotonic()) + 1
            self._failed[who] = [*recent, time.monotonic()]
            self._failed.move_to_end(who)
            while len(self._failed) > 10_000:
                self._failed.popitem(last=False)
            return 0

    def succeeded(self, *who: str) -> None:
        """The last try was right after all."""
        with self._lock:
            self._failed[who] = self._recent(who)[:-1]

    def forget(self, *who: str) -> None:
        """The tries before do not count any more."""
        with self._lock:
            self._failed.pop(who, None)

    def _recent(self, who: tuple[str, ...]) -> list[float]:
        now = time.monotonic()
        return [at for at in self._failed.get(who, []) if now - at < self.seconds]


@dataclass(frozen=True)
class Desk:
    """The parts that the pages work with; `secure` says whether cookies need HTTPS.

    `addresses` and `names` count the sign-ins that failed, see Limiter. Where there is an
    `issuer`, everybody signs in there, and nobody with an account of the pages.
    """

    database: Database
    services: Services
    addresses: Limiter
    names: Limiter
    secure: bool
    templates: Environment
    issuer: Issuer | None


def environment(grafana: str) -> Environment:
    """The templates, with how things are said; `grafana` is where supervisors find figures."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["when"] = words.when
    made.filters["happened"] = words.happened
    made.filters["who"] = words.who
    made.filters["spot"] = words.spot
    made.globals.update(
        PRIORITIES=words.PRIORITIES,
        CERTAINTIES=words.CERTAINTIES,
        CLOCKS=CLOCK_NAMES,
        STATES=words.STATES,
        WHISTLE_STATES=words.WHISTLE_STATES,
        WHISTLE_KINDS=words.WHISTLE_KINDS,
        DISPOSITIONS=words.DISPOSITIONS,
        DUTIES=DUTY_NAMES,
        FLAGS=FLAG_NAMES,
        details=way.details,
        stations=way.stations,
        grafana=grafana,
        fresh_id=lambda: secrets.token_urlsafe(16),
        left=words.left,
        pressing=words.pressing,
    )
    return made


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.parts
    return desk


Pages = Annotated[Desk, Depends(_desk)]


async def who_is(desk: Desk, cookie: str, *, active: bool) -> Visitor | None:
    """Who a session's cookie stands for now, None where it is over; `active` prolongs it.

    Raises Refused where an issuer's word has ended and it does not answer.
    """
    if desk.issuer is not None:
        return await issued_visitor(desk.database, desk.issuer, cookie, active=active)

    def read() -> Visitor | None:
        with desk.database.writing() as writer:
            return visitor_of(writer, cookie, datetime.now(UTC), active=active)

    return await run_in_threadpool(read)


async def _signed(request: Request, desk: Pages) -> Visitor:
    """Who is signed in; a first password has to be changed before anything else."""
    cookie = request.cookies.get(COOKIE, "")
    active = request.url.path not in WAITING
    visitor = await who_is(desk, cookie, active=active) if cookie else None
    if visitor is None:
        raise SignedOut
    return visitor


Signed = Annotated[Visitor, Depends(_signed)]


class MustChange(Exception):
    """The first password is still in use."""


def only(*roles: Role) -> Callable[[Visitor], Awaitable[Visitor]]:
    """Somebody of these roles, with a password of their own."""

    async def check(visitor: Signed) -> Visitor:
        if visitor.must_change:
            raise MustChange
        if visitor.role not in roles:
            raise Denied
        return visitor

    return check


Operator = Annotated[Visitor, Depends(only(Role.OPERATOR))]
Worker = Annotated[Visitor, Depends(only(Role.UNIT, Role.DISPATCHER))]
Centre = Annotated[Visitor, Depends(only(Role.DISPATCHER))]
Overseer = Annotated[Visitor, Depends(only(Role.SUPERVISOR))]
Handler = Annotated[Visitor, Depends(only(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR))]
Anyone = Annotated[Visitor, Depends(only(*HOME))]

Given = Mapping[str, list[str]]


async def read_form(request: Request) -> Given:
    """What a form has sent, every value of every field. Raises Refused for too much of it."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MAX_FORM:
        raise Refused(413, "写得太多了，请分几次提交。")
    return only_texts(await request.form(max_files=0, max_fields=200))


def only_texts(form: FormData) -> Given:
    """What was typed into a form, without its files."""
    return {name: [v for v in form.getlist(name) if isinstance(v, str)] for name in form}


def checked(given: Given, visitor: Visitor) -> Given:
    """The same form, if it has the token that its page was given. Raises Refused."""
    if not hmac.compare_digest(said(given, "csrf").encode(), visitor.csrf.encode()):
        raise Refused(403, "这一页已经过期，请刷新后再提交。")
    return given


async def _posted(request: Request, visitor: Signed) -> Given:
    return checked(await read_form(request), visitor)


Posted = Annotated[Given, Depends(_posted)]


def said(given: Given, name: str) -> str:
    """The first value of a field, without blanks around it; empty where there is none."""
    return next(iter(given.get(name, [])), "").strip()


def form_id_of(given: Given) -> str | None:
    """The id that a form was given with its page: what it asks for happens once."""
    return said(given, "form_id") or None


def page(
    desk: Desk, visitor: Visitor | None, template: str, status: int = 200, **shown: Any
) -> HTMLResponse:
    """A whole page, or with a template whose name begins with `_` a part of one."""
    now = datetime.now(UTC)
    inside = visitor if visitor and not visitor.must_change else None
    names = desk.services.names(inside) if inside else None
    alerts = _alerts(desk, inside) if inside and not template.startswith("_") else None
    text = desk.templates.get_template(template).render(
        visitor=visitor,
        names=names,
        now=now,
        role=str(visitor.role) if visitor else "",
        **{"error": None, "given": {}, "alerts": alerts, **shown},
    )
    return HTMLResponse(text, status)


def _alerts(desk: Desk, visitor: Visitor) -> Alerts | None:
    """What rings at a desk that works a queue; None for others."""
    works = visitor.role in (Role.UNIT, Role.DISPATCHER)
    return alerts_for(desk.services, visitor) if works else None


def see(path: str) -> RedirectResponse:
    """Go and look there: the answer to a form that was taken."""
    return RedirectResponse(path, 303)


def refused_page(desk: Desk, visitor: Visitor | None, refused: Refused) -> Response:
    """The page for what was refused and belongs to no form."""
    sentence = refused.detail
    if refused.status in (403, 404):
        sentence = "没有这张工单，或您不能查看。" if refused.status == 404 else refused.detail
    return page(desk, visitor, "refused.html", refused.status, sentence=sentence)


def to_sign_in(request: Request) -> RedirectResponse:
    """The page to sign in, and back here afterwards."""
    path = request.url.path if request.method == "GET" else request.headers.get("referer", "/")
    path = "/" + path.split("/", 3)[-1] if "://" in path else path
    return see(f"/login?next={quote(path, safe='/')}&over=1")
