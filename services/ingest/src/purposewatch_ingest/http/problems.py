"""Errors as RFC 9457 problem details."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import wraps
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import RefusedError
from purposewatch_runtime.logs import get_logger

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100

_log = get_logger(__name__)


class ProblemKind(Enum):
    """What can be wrong with a request: name, status and title."""

    NOT_JSON = ("not-json", 400, "The content is not JSON")
    CORRUPT = ("corrupt", 400, "The compressed content is damaged")
    INCOMPLETE = ("incomplete", 400, "The content did not arrive completely")
    INVALID_EVALUATION = ("invalid-evaluation", 400, "The content is not a valid evaluation")
    INVALID_QUERY = ("invalid-query", 400, "A parameter of the query is not valid")
    UNAUTHORIZED = ("unauthorized", 401, "No valid key, token or certificate")
    FORBIDDEN = ("forbidden", 403, "The publisher may not publish this")
    NOT_FOUND = ("not-found", 404, "The address does not exist")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not for this address")
    BODY_TIMEOUT = ("body-timeout", 408, "The content arrived too slowly")
    TOO_LARGE = ("too-large", 413, "The content is too large")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The content type is not accepted")
    INVALID_EVENT = ("invalid-event", 422, "The content is not a valid event")
    INVALID_FACT = ("invalid-fact", 422, "The content is not a valid fact")
    INVALID_GAP = ("invalid-gap", 422, "The content is not a valid gap")
    INVALID_ERASURE = ("invalid-erasure", 422, "The content is not a valid erasure")
    RATE_LIMITED = ("rate-limited", 429, "The publisher sends too many events")
    QUOTA_EXCEEDED = ("quota-exceeded", 429, "The publisher's quota of today is used up")
    PAUSED = ("paused", 429, "The publisher is paused")
    INTERNAL = ("internal", 500, "Ingest has a defect")
    IDENTITY_UNAVAILABLE = (
        "identity-provider-unavailable",
        503,
        "The identity provider is not available",
    )
    BUSY = ("busy", 503, "Too many requests at once")
    SUBJECTS_UNAVAILABLE = (
        "subjects-unavailable",
        503,
        "The pseudonyms of subjects are not available",
    )
    REPORTER_UNAVAILABLE = ("reporter-unavailable", 503, "The reporter is not available")
    KAFKA_UNAVAILABLE = ("kafka-unavailable", 503, "Kafka is not available")

    def __init__(self, label: str, status: int, title: str) -> None:
        self.label = label
        self.status = status
        self.title = title


_INVALID = {
    "event": ProblemKind.INVALID_EVENT,
    "fact": ProblemKind.INVALID_FACT,
    "gap": ProblemKind.INVALID_GAP,
}


class FieldProblem(BaseModel):
    """One fault of one event, fact or gap."""

    index: int = Field(description="Which one of the batch, from 0; 0 for a single one.")
    field: str = Field(description="JSON pointer into it; empty for all of it.")
    detail: str
    error_class: str = Field(
        description="The kind of fault, as in dead letters.", examples=[ErrorClass.UNKNOWN_TERM]
    )


class Problem(BaseModel):
    """An RFC 9457 problem. It never quotes a value that was sent."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["urn:purposewatch:problem:invalid-event"])
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do.")
    errors: list[FieldProblem] = Field(default_factory=list)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers

    @property
    def status(self) -> int:
        """The status of the response."""
        return int(self.kind.status)

    def response(self) -> Response:
        """The problem as it goes out."""
        problem = Problem(
            type=f"urn:purposewatch:problem:{self.kind.label}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            errors=list(self.errors[:MAX_ERRORS]),
        )
        return JSONResponse(
            problem.model_dump(),
            status_code=self.kind.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


def refusal_problem(
    refusals: Mapping[int, RefusedError],
    total: int,
    *,
    done: str = "accepted",
    noun: Literal["event", "fact", "gap"] = "event",
) -> ProblemError:
    """The problem of a request some of whose events, facts or gaps, by index, are refused.

    `done` is what would have been done with them.
    """
    classes = {refusal.error_class for refusal in refusals.values()}
    if ErrorClass.FORBIDDEN in classes:
        kind = ProblemKind.FORBIDDEN
    elif classes <= {ErrorClass.NOT_JSON, ErrorClass.EMPTY}:
        kind = ProblemKind.NOT_JSON
    else:
        kind = _INVALID[noun]
    errors = field_problems(refusals)
    detail = f"{len(refusals)} of {total} {noun}s refused, so none was {done}; correct and resend"
    if total == 1:
        detail = f"the {noun} was refused: {errors[0].field} {errors[0].detail}".replace("  ", " ")
    return ProblemError(kind, detail, errors=errors)


def field_problems(
    refusals: Mapping[int, RefusedError], *, max_faults: int | None = None
) -> list[FieldProblem]:
    """The faults of refused events by index; at most so many of each event."""
    return [
        FieldProblem(
            index=index, field=error.field, detail=error.detail, error_class=refusal.error_class
        )
        for index, refusal in refusals.items()
        for error in refusal.errors[:max_faults]
    ]


async def answer_problem(_: Request, error: Exception) -> Response:
    """Exception handler for `ProblemError`."""
    if not isinstance(error, ProblemError):
        raise error
    return error.response()


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Exception handler for what the framework itself refuses: unknown paths and methods."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = {404: ProblemKind.NOT_FOUND, 405: ProblemKind.METHOD_NOT_ALLOWED}.get(status)
    headers = error.headers if isinstance(error, HTTPException) else None
    if kind is ProblemKind.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_methods_of(request))}
    if kind is None:
        return Response(HTTPStatus(status).phrase, status_code=status, headers=headers)
    return ProblemError(kind, "see /docs for what there is", headers=headers).response()


def _methods_of(request: Request) -> list[str]:
    """The methods of an address: the framework names those of its first route alone."""
    found = (
        route.methods or ()
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted(set().union(*found))


def answering_defects(
    handle: Callable[[Any, Request], Awaitable[Response]],
) -> Callable[[Any, Request], Awaitable[Response]]:
    """Decorate a method that handles requests: its defects become problems.

    The framework would log the error, whose message may quote what was sent.
    """

    @wraps(handle)
    async def answer(self: Any, request: Request) -> Response:
        try:
            return await handle(self, request)
        except ProblemError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            return await answer_defect(request, error)

    return answer


async def answer_defect(request: Request, error: Exception) -> Response:
    """Exception handler for defects. Logs where it happened, never the message: it may quote."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "unknown"
    _log.error("defect", method=request.method, error=type(error).__name__, where=where)
    detail = "nothing was accepted for certain; send the same events again, with the same ids"
    return ProblemError(ProblemKind.INTERNAL, detail).response()
