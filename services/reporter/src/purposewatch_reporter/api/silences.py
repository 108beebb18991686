"""Silences: list, add and end them. Their former path is answered for one more release."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from purposewatch_policy import Kind
from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.api.description import BODY_PROBLEMS, problems
from purposewatch_reporter.api.parameters import ControllerName, PublisherName, TermName
from purposewatch_reporter.api.problems import ProblemError, not_found
from purposewatch_reporter.findings import silences as store
from purposewatch_reporter.findings.silences import MAX_TEXT, Matchers, NewSilence
from purposewatch_reporter.parameters import Id, StorableText, Time
from purposewatch_reporter.store.engine import Transactions

_DEPRECATED_SINCE = "@1795824000"
"""RFC 9745: the time, in seconds of Unix time, from which the path is deprecated."""

_LINKS = {
    "end": {
        "operationRef": "#/paths/~1api~1v1~1silences~1{id}~1end/post",
        "parameters": {"id": "$response.body#/id"},
    }
}

_Text = Annotated[StorableText, Field(min_length=1, max_length=MAX_TEXT)]


class FindingMatchers(BaseModel):
    """Which findings are silenced: those that match every field that is given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"not": {"additionalProperties": {"type": "null"}}},  # gives something
    )

    controller: ControllerName | None = None
    role: TermName | None = None
    kind: Kind | Literal["unknown"] | None = None
    data_category: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    publisher: PublisherName | None = None

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            message = "give at least one field to match; without any, nothing would alert"
            raise ValueError(message)
        return self


class PolicyException(BaseModel):
    """What makes a silence an exception to a policy."""

    model_config = ConfigDict(extra="forbid")

    policy_version: _Text = Field(description="The version that would be violated.")
    owner: _Text = Field(description="Who answers for it.")


class SilenceRequest(BaseModel):
    """A silence to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "matchers": {"controller": "wework-labs", "kind": "undeclared_purpose"},
                    "reason": "The new version of the policy declares it; in force from January.",
                    "author": "officer",
                    "expires_time": "2027-01-31T00:00:00Z",
                }
            ]
        },
    )

    matchers: FindingMatchers
    reason: _Text = Field(description="Why; it is shown to whoever asks later.")
    author: _Text = Field(description="Who decided it.")
    expires_time: Time = Field(
        strict=True,  # a number is not a time
        description="When it ends by itself; RFC 3339, a year at most.",
    )
    exception: PolicyException | None = Field(
        default=None,
        description="Makes it an exception to a policy, whose end is announced. It has to match a "
        "controller.",
    )


class SilenceEnd(BaseModel):
    """Who ends a silence, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"by": "officer", "reason": "The service was changed."}]},
    )

    by: _Text
    reason: _Text | None = Field(default=None, description="It is part of the trail of triage.")


class Silence(BaseModel):
    """A decision not to be alerted about some findings for a while."""

    id: str
    matchers: FindingMatchers
    reason: str
    author: str
    created_time: datetime
    expires_time: datetime
    ended_time: datetime | None
    ended_by: str | None
    ended_reason: str | None
    exception: PolicyException | None
    active: bool


class Silences(BaseModel):
    """Silences, the latest first."""

    items: list[Silence]


def _shown(item: store.Silence, now: datetime) -> Silence:
    values = asdict(item)
    version, owner = values.pop("policy_version"), values.pop("owner")
    exception = None if version is None else PolicyException(policy_version=version, owner=owner)
    return Silence(**values, exception=exception, active=item.is_active(now))


def silences_routes(database: Transactions, clock: Callable[[], datetime]) -> APIRouter:
    """The routes of /silences, and of their former path /suppressions."""
    router = APIRouter(tags=["silences"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("")
    async def list_silences(
        *,
        active: Annotated[bool, Query()] = False,
        exceptions: Annotated[bool, Query()] = False,
    ) -> Silences:
        """The latest 500; only those in force, or only exceptions to policies, if asked for."""
        now = clock()
        async with database.reading() as connection:
            items = await store.list_silences(
                connection,
                now,
                active_only=active,
                exceptions_only=exceptions,
                limit=store.MAX_ACTIVE if active else 500,
            )
        return Silences(items=[_shown(item, now) for item in items])

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        responses={
            HTTPStatus.CREATED: {"links": _LINKS},
            **problems(*BODY_PROBLEMS, HTTPStatus.CONFLICT),
        },
    )
    async def add_silence(asked: SilenceRequest) -> Silence:
        """Silence findings. Silenced violations are still recorded and counted."""
        now = clock()
        matchers = asked.matchers.model_dump()
        matchers["kind"] = None if matchers["kind"] is None else str(matchers["kind"])
        try:
            async with database.writing() as connection:
                wanted = NewSilence(
                    Matchers(**matchers),
                    asked.reason,
                    asked.author,
                    asked.expires_time,
                    None if asked.exception is None else asked.exception.policy_version,
                    None if asked.exception is None else asked.exception.owner,
                )
                added = await silence_findings(connection, wanted, now)
        except store.SilenceError as error:
            raise _refused(error) from None
        return _shown(added, now)

    @router.post(
        "/{id}/end",
        responses=problems(*BODY_PROBLEMS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
    async def end_silence(
        asked: SilenceEnd,
        name: Annotated[Id, Path(alias="id")],
    ) -> Silence:
        """End a silence early."""
        now = clock()
        try:
            async with database.writing() as connection:
                ended = await store.end_silence(
                    connection, name, by=asked.by, now=now, reason=asked.reason
                )
        except store.SilenceError as error:
            raise _refused(error) from None
        if ended is None:
            raise not_found(name, "silence")
        return _shown(ended, now)

    routes = APIRouter()
    routes.include_router(router, prefix="/silences")
    routes.include_router(
        router, prefix="/suppressions", deprecated=True, dependencies=[Depends(_mark_deprecated)]
    )
    return routes


async def _mark_deprecated(request: Request, response: Response) -> None:
    successor = quote(request.scope["path"].replace("/suppressions", "/silences"))
    response.headers["Deprecation"] = _DEPRECATED_SINCE
    response.headers["Link"] = f'<{successor}>; rel="successor-version"'


def _refused(error: store.SilenceError) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "silence-refused", str(error))
