"""Errors of the API as RFC 9457 problem details."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from purposewatch_runtime.http import BodyRefusedError
from purposewatch_runtime.logs import get_logger

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "5"
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

_log = get_logger(__name__)


class FieldError(BaseModel):
    """What is wrong with one parameter."""

    field: str
    detail: str


class Problem(BaseModel):
    """A problem document, for the OpenAPI description."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        name: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.errors = errors
        self.headers = headers


def invalid(field: str, detail: str) -> ProblemError:
    """A problem with one parameter of the request."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-parameters",
        "the request's parameters are not valid; see `errors`",
        errors=[FieldError(field=field, detail=detail)],
    )


def not_found(name: str, what: str) -> ProblemError:
    """A problem about a resource that does not exist."""
    return ProblemError(HTTPStatus.NOT_FOUND, "not-found", f"there is no {what} `{name}`")


def render(error: ProblemError) -> Response:
    """The response for a problem."""
    problem = Problem(
        type=f"urn:purposewatch:problem:{error.name}",
        title=error.status.phrase,
        status=error.status,
        detail=error.detail,
        errors=list(error.errors) or None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers=dict(error.headers or {}),
    )


def _field_error(error: Mapping[str, Any]) -> FieldError:
    # a name in a JSON body may hold what UTF-8, and so the answer, can't
    field = ".".join(str(step) for step in error["loc"][1:]).encode("utf-8", "replace").decode()
    if error["type"] == "extra_forbidden":
        detail = f"there is no parameter `{field}`; see /docs for the existing ones"
    else:
        detail = str(error["msg"]).removeprefix("Value error, ")
    return FieldError(field=field, detail=detail[:1].lower() + detail[1:])


def _methods(app: FastAPI, request: Request) -> list[str]:
    """The methods of every route with the request's path; Starlette names those of the first."""

    def exists(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in app.routes)

    return [method for method in _METHODS if exists(method)]


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> Response:
        return render(error)

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> Response:
        return render(
            ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "invalid-parameters",
                "the request's parameters are not valid; see `errors`",
                errors=[_field_error(item) for item in error.errors()],
            )
        )

    @app.exception_handler(BodyRefusedError)
    async def body_refused(_: Request, error: BodyRefusedError) -> Response:
        status = HTTPStatus(error.status_code)
        name = "body-timeout" if status is HTTPStatus.REQUEST_TIMEOUT else "too-large"
        return render(ProblemError(status, name, error.detail))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        name = status.phrase.lower().replace(" ", "-")
        headers = error.headers
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(_methods(app, request))}
        return render(ProblemError(status, name, str(error.detail), headers=headers))

    async def unavailable(_: Request, error: Exception) -> Response:
        _log.warning("request failed", error=type(error).__name__)
        return render(
            ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "database-unavailable",
                "the database does not respond; try again later",
                headers={"Retry-After": _RETRY_SECONDS},
            )
        )

    app.add_exception_handler(SQLAlchemyError, unavailable)
    app.add_exception_handler(OSError, unavailable)
