"""The HTTP edge: the session with its commit, problems (RFC 9457), paging, preconditions."""

import base64
import binascii
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException

from common import idempotency, telemetry
from common.auth import Principal, optional_principal
from common.db import Database, is_transient, sqlstate
from common.errors import BusinessError, CursorInvalid, PreconditionRequired, VersionConflict

T = TypeVar("T")

PROBLEM = "application/problem+json"
_CALLER = "caller"


class Problem(BaseModel):
    """RFC 9457. `code` is stable and for programs; `detail` is for people and says what to do."""

    type: str = Field(description="urn:union:problem:CODE")
    title: str
    status: int
    code: str
    detail: str


def problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    body = {
        "type": f"urn:union:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status == 503:
        headers["Retry-After"] = "2"
    if "retry_after" in extra:
        headers["Retry-After"] = str(extra["retry_after"])
    return Response(orjson.dumps(body, default=str), status, headers, PROBLEM)


@idempotency.claiming
async def get_session(
    request: Request,
    principal: Annotated[Principal | None, Depends(optional_principal)],
) -> AsyncIterator[AsyncSession]:
    """One transaction a request, committed before the answer goes out."""
    database: Database = request.app.state.database
    async with database.transaction() as session:
        session.info[_CALLER] = principal
        if request.method == "POST":
            await idempotency.claim(request, session, principal)
        yield session


def caller_of(session: AsyncSession) -> Principal | None:
    """Who asked, in a request's session: for records of who did it. None in a batch, a job or a command line."""
    return session.info.get(_CALLER)


# scope="function": with the default the commit would come after the response, and a failed one would say 200.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_read_session(
    request: Request, _principal: Annotated[Principal | None, Depends(optional_principal)]
) -> AsyncIterator[AsyncSession]:
    """A read-only transaction: one snapshot for all queries of the request.

    The caller is known before: a look into the powers, with a connection of its own, never waits inside a transaction.
    """
    database: Database = request.app.state.database
    async with database.transaction() as session:
        await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
        yield session


ReadSessionDep = Annotated[AsyncSession, Depends(get_read_session, scope="function")]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class PageParams(BaseModel):
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=500)


async def page_params(page: Annotated[PageParams, Query()]) -> PageParams:
    return page


# Behind a dependency of its own: beside other query parameters FastAPI takes a model for one parameter.
PageDep = Annotated[PageParams, Depends(page_params)]


async def paginate(
    session: AsyncSession, statement: sa.Select[*tuple[Any, ...]], by: Any, page: PageParams
) -> tuple[list[Any], str | None]:
    """Rows of `statement` after the cursor, ordered by the unique UUID column `by`; and the next cursor.

    The statement's first entity or a column of it must carry `by` under its name.
    """
    if page.cursor is not None:
        statement = statement.where(by > _decode_cursor(page.cursor))
    rows = (await session.execute(statement.order_by(by).limit(page.limit + 1))).all()
    items = [row[0] if len(row) == 1 else row for row in rows[: page.limit]]
    more = len(rows) > page.limit
    return items, _encode_cursor(getattr(items[-1], by.key)) if more else None


def _encode_cursor(value: UUID) -> str:
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def _decode_cursor(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise CursorInvalid from None


IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=50, description="The ETag of the resource as you read it")
]


def check_if_match(if_match: str | None, version: int) -> None:
    """Refuse a change of a resource that the caller has not seen in its current version."""
    if if_match is None:
        raise PreconditionRequired
    if if_match.strip() != etag(version):
        raise VersionConflict(version)


def etag(version: int) -> str:
    return f'"{version}"'


def install_problem_handlers(app: FastAPI) -> None:
    """Every refusal and failure becomes problem+json; nothing of an input or a row is repeated."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, BusinessError)
        return problem(error.status, error.code, error.detail, **error.extra)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [
            {
                "at": "/".join(str(part) for part in item["loc"])[:200],
                "code": item["type"],
                "detail": item["msg"][:300],
            }
            for item in error.errors()[:20]
        ]
        return problem(422, "request_invalid", "Correct the fields named in errors and send again.", errors=errors)

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).name.lower()
        detail = {
            404: "There is nothing at this address; see /docs for the addresses.",
            405: "This address does not take this method; see /docs.",
            400: "The request cannot be read; send UTF-8 JSON.",
        }.get(error.status_code, str(error.detail))
        response = problem(error.status_code, code, detail)
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    async def database(_request: Request, error: Exception) -> Response:
        state = sqlstate(error) or ""
        if is_transient(error):
            return problem(
                503, "database_unavailable", "The database cannot be reached now; send again in a moment."
            )
        if state.startswith("22") or not state:
            return problem(
                422,
                "value_not_storable",
                "A value cannot be stored (a NUL character or a number too large); correct it.",
            )
        if state.startswith("23"):
            telemetry.log().warning("constraint_refused", sqlstate=state)
            return problem(
                409,
                "conflicts_with_existing",
                "This conflicts with what exists already; read it and try again.",
            )
        raise error

    async def unavailable(_request: Request, _error: Exception) -> Response:
        return problem(
            503, "dependency_unavailable", "A part that this needs cannot be reached now; send again soon."
        )

    app.add_exception_handler(BusinessError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(NoFreeConnection, database)
    app.add_exception_handler(OSError, unavailable)
