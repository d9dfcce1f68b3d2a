"""The desk as an application: its pages, its files, and how each error looks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from httpx2 import InvalidURL
from sqlalchemy.exc import DataError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.desk import case_pages, centre_pages, import_pages, live, operator_pages, signing_in
from services.desk.issuer import Issuer
from services.desk.remote import Refused, Services
from services.desk.visit import (
    HERE,
    HOME,
    SECURITY,
    Denied,
    Desk,
    Limiter,
    MustChange,
    Signed,
    SignedOut,
    environment,
    page,
    refused_page,
    see,
    to_sign_in,
)
from shared.database import Database, missing_migrations
from shared.health import Health, operations
from shared.postgres import database_url
from shared.settings import Settings
from shared.web import Observed

FROM_AN_ADDRESS: Final = (20, 60.0)
"""Sign-ins that may fail, and in how many seconds: proposal, no rule says so."""
OF_A_NAME: Final = (5, 300.0)
"""The same of one name from one address."""


def create_desk(settings: Settings) -> FastAPI:
    """The application; it closes what it holds when it ends."""
    database = Database(database_url(settings, "desk"))
    services = Services(settings)
    desk = Desk(
        database,
        services,
        Limiter(*FROM_AN_ADDRESS),
        Limiter(*OF_A_NAME),
        settings.secure_cookies,
        environment(settings.grafana_url),
        Issuer(settings, settings.oidc_issuer) if settings.oidc_issuer else None,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if desk.issuer is not None:
            await desk.issuer.close()
        services.close()
        database.close()

    app = FastAPI(
        title="热线工作台",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.parts = desk
    checks = {
        "database": database.answers,
        "schema": lambda: not missing_migrations(database, "desk"),
    }
    app.include_router(operations(Health("desk", app.version, checks)))
    for part in (signing_in, operator_pages, import_pages, case_pages, centre_pages, live):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    _errors(app, desk)

    @app.get("/")
    async def home(visitor: Signed) -> Response:
        """The page somebody works on."""
        return see(HOME[visitor.role])

    app.add_middleware(Secured)
    app.add_middleware(Observed, service="desk")
    return app


class Secured:
    """Gives every answer the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, secured)


def _errors(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(SignedOut)
    async def signed_out(request: Request, error: SignedOut) -> Response:
        if request.headers.get("accept", "").startswith("text/event-stream"):
            return Response(status_code=401)
        if request.headers.get("x-part"):
            return Response("登录已过期。请在新的标签页重新登录，写的内容还在。", 401)
        return to_sign_in(request)

    @app.exception_handler(MustChange)
    async def must_change(request: Request, error: MustChange) -> Response:
        return see("/password")

    @app.exception_handler(Denied)
    async def denied(request: Request, error: Denied) -> Response:
        return page(desk, None, "refused.html", 403, sentence="您的身份没有这一页。")

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return refused_page(desk, None, error)

    @app.exception_handler(DataError)
    @app.exception_handler(InvalidURL)
    @app.exception_handler(UnicodeEncodeError)
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> Response:
        return page(desk, None, "refused.html", 422, sentence="网址里有认不出的内容。")

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        sentence = "没有这一页。" if error.status_code == 404 else "不能这样操作。"
        return page(desk, None, "refused.html", error.status_code, sentence=sentence)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return page(desk, None, "refused.html", 500, sentence="系统出错，没有保存。请再试。")
