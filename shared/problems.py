"""Errors as people and programs read them: problem documents after RFC 9457.

`type` is a stable URN that programs may compare; `title` and `detail` are Chinese
sentences for the person at the screen. A problem never repeats what was sent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic_core.core_schema import ErrorType
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from shared.bus import BusUnavailable
from shared.database import is_transient

URN: Final = "urn:hotline:problem:"
TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "请求无法解析"),
    401: ("unauthenticated", "未登录或登录已失效"),
    403: ("forbidden", "没有权限"),
    404: ("not-found", "未找到"),
    405: ("method-not-allowed", "不支持此操作方式"),
    406: ("not-acceptable", "无法提供所要求的格式"),
    408: ("timeout", "请求超时"),
    409: ("conflict", "与当前状态冲突"),
    410: ("gone", "已失效"),
    413: ("too-large", "内容过大"),
    415: ("unsupported-media-type", "不支持的内容类型"),
    422: ("invalid", "内容不符合要求"),
    429: ("too-many-requests", "请求过多"),
    431: ("head-too-large", "请求头过大"),
    500: ("internal", "系统内部错误"),
    503: ("unavailable", "服务暂时不可用"),
}
"""The default slug and title of each status."""

BOUNDS: Final = ("expected", "ge", "gt", "le", "lt", "min_length", "max_length")
"""What a rule of pydantic tells of itself; nothing else it tells may be repeated."""
MENDINGS: Final[Mapping[str, str]] = {
    "missing": "必须填写",
    "extra_forbidden": "没有这个字段，请删去",
    "enum": "只能是 {expected} 之一",
    "literal_error": "只能是 {expected} 之一",
    "string_type": "要填文字",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_unicode": "含有无法显示的字符",
    "string_pattern_mismatch": "写法不对",
    "bool_type": "只能是 true 或 false",
    "int_type": "要填整数",
    "int_parsing": "要填整数",
    "int_from_float": "要填整数",
    "float_type": "要填数字",
    "finite_number": "要填数字",
    "greater_than": "要大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "要小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "timezone_aware": "时间要写明时区，例如 +08:00",
    "datetime_parsing": "时间要写成 2026-11-23T09:00:00+08:00 的样子",
    "datetime_from_date_parsing": "时间要写成 2026-11-23T09:00:00+08:00 的样子",
    "date_parsing": "日期要写成 2026-11-23 的样子",
    "date_from_datetime_parsing": "日期要写成 2026-11-23 的样子",
    "list_type": "要填一个列表",
    "tuple_type": "要填一个列表",
    "too_short": "至少 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "model_attributes_type": "要填一组字段",
    "model_type": "要填一组字段",
    "dict_type": "要填一组字段",
}
"""How to mend what breaks a rule."""
PYDANTICS_OWN: Final = frozenset(get_args(ErrorType))
"""Rules whose sentences are English and may repeat what was sent."""

FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}|[0-9]{1,6}")
"""Names of fields that may be repeated; anything else was made up by the sender."""
MEDIA_TYPE: Final = "application/problem+json"

log = structlog.get_logger()


class Problem(Exception):
    """An answer that is an error: status, a stable slug, and a sentence for the reader."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        slug: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.slug = slug or TITLES[status][0]
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> JSONResponse:
        """The problem document."""
        body = {
            "type": URN + self.slug,
            "title": TITLES[self.status][1],
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        return JSONResponse(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request, and how to mend it."""

    field: str
    rule: str
    message: str


class ProblemDocument(BaseModel):
    """A problem as the interface's description shows it."""

    type: str = Field(pattern=f"^{URN}[a-z-]+$")
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = None


def described(problem: Problem) -> ProblemDocument:
    """A problem as a part of an answer that tells of several requests."""
    return ProblemDocument.model_validate_json(bytes(problem.response().body))


def unfit(errors: Sequence[Any]) -> Problem:
    """What does not fit its rules."""
    found = mendings(errors)
    first = f"{found[0]['field'].removeprefix('body.')}: {found[0]['message']}"
    return Problem(422, f"有字段不符合要求。{first}", errors=found)


def documented() -> dict[int | str, dict[str, Any]]:
    """The answers of every route that are errors, for its OpenAPI description."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {
        "4XX": {"description": "问题说明 (RFC 9457)", "content": content},
        "5XX": {"description": "系统错误或暂时不可用", "content": content},
    }


def not_found() -> Problem:
    """The one answer for what does not exist and for what the caller may not know of."""
    return Problem(404, "没有这条记录, 或者您无权查看")


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UnicodeEncodeError, _unfit)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(psycopg.Error, _database)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(PoolTimeout, _unavailable)
    app.add_exception_handler(BusUnavailable, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = error.status_code if error.status_code in TITLES else 400
    return Problem(status, TITLES[status][1], headers=error.headers).response()


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(e["type"] == "json_invalid" for e in errors):
        return Problem(400, "正文不是合法的 JSON").response()
    return unfit(errors).response()


def mendings(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Where each error is, what kind it is and how to mend it.

    Never the value, which may be personal.
    """
    return [
        {
            "field": ".".join(map(_name, e["loc"])),
            "rule": e["type"],
            "message": _mending(e["type"], e["msg"], e.get("ctx", {})),
        }
        for e in errors[:50]
    ]


def _mending(rule: str, said: str, context: Mapping[str, Any]) -> str:
    """What to change, in Chinese; a rule of our own says it itself."""
    if rule not in PYDANTICS_OWN:
        return said
    ours = {name: str(context[name]).replace(" or ", ", ") for name in BOUNDS if name in context}
    return MENDINGS.get(rule, "内容或格式不对").format_map(ours)


def _name(part: object) -> str:
    return str(part) if FIELD.fullmatch(str(part)) else "?"


async def _left(_: Request, error: Exception) -> JSONResponse:
    return Problem(408, "正文没有发完").response()  # for the count of requests: nobody reads it


async def _database(request: Request, error: Exception) -> JSONResponse:
    if is_transient(error):
        return await _unavailable(request, error)
    if isinstance(getattr(error, "orig", error), psycopg.DataError):
        return await _unfit(request, error)
    return await _unexpected(request, error)


async def _unfit(_: Request, error: Exception) -> JSONResponse:
    """What no database takes: NUL, half a character, a cursor with no time in it."""
    log.warning("unfit_value", error=type(error).__name__)
    return Problem(422, "网址或内容里有无法识别的字符或数值，请检查后再试").response()


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    log.warning("dependency_unavailable", error=type(error).__name__)
    return Problem(503, "请稍后重试, 已受理的内容不会丢失", headers={"Retry-After": "2"}).response()


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log.error("unexpected_error", error=type(error).__name__, exc_info=error)
    return Problem(500, "系统出现意外错误, 已记录").response()
