"""Shadow mode: what is tried, and what it would change about recorded events."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from purposewatch_policy import Candidate, PolicySet
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.parameters import ControllerName, Name
from purposewatch_reporter.api.problems import ProblemError, not_found
from purposewatch_reporter.findings.silences import Silence, active_silences
from purposewatch_reporter.parameters import Time
from purposewatch_reporter.shadow.candidates import candidates, find_candidate
from purposewatch_reporter.shadow.excepted import excepted, excepted_events
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.answering import TooBusyError, WhatIfService, whole_hour
from purposewatch_reporter.what_if.details import read_all_effects
from purposewatch_reporter.what_if.effects import Change, Effect
from purposewatch_reporter.what_if.shown import (
    ShownAmount,
    ShownEffect,
    shown_amount,
    shown_effect,
)
from purposewatch_reporter.what_if.subjects import count_subjects

MAX_EFFECTS = 1_000


class TriedPolicy(BaseModel):
    """A version, or statements of a version, in shadow mode."""

    controller: str
    candidate: str = Field(
        description="The version's name; with `+shadow` if only statements of it are tried."
    )
    digest: str = Field(description="That verdicts will have once it is live.")
    in_place_of: str | None = Field(description="The version that it replaces, or is part of.")
    statements: list[str] = Field(description="In shadow mode; none if the whole version is.")


class TriedPolicies(BaseModel):
    """What is in shadow mode, by controller and name."""

    items: list[TriedPolicy]


class ShadowEffect(ShownEffect):
    """What becomes of one flow that was decided in one way, and what covers it."""

    exceptions: list[str] = Field(description="Ids of the silences that would cover it.")
    is_excepted: bool = Field(description="Whether nothing of it would alert.")


class ShadowAnswer(BaseModel):
    """What a policy in shadow mode would have decided about the events of a time."""

    tried: TriedPolicy
    since: datetime | None
    totals: dict[Change, ShownAmount]
    other: ShownAmount = Field(
        description="Not decided: counted under `(other)`, beyond the limit of distinct flows."
    )
    carried: ShownAmount = Field(
        description="Not decided: counted by an earlier version, which recorded no whole flows."
    )
    excepted_events: int = Field(
        description="Of those that would become violations: so many would raise no alert."
    )
    effects: list[ShadowEffect] = Field(
        description="By change, then by the number of events; as many as `limit`."
    )
    all_effects: int = Field(description="How many there are.")


def shadow_routes(
    database: Transactions,
    service: WhatIfService,
    current: Callable[[], PolicySet],
    clock: Callable[[], datetime],
) -> APIRouter:
    """The routes of /shadow."""
    router = APIRouter(prefix="/shadow", tags=["shadow mode"])

    @router.get("")
    async def list_tried() -> TriedPolicies:
        """What is in shadow mode now."""
        found = await asyncio.to_thread(candidates, current(), clock())
        return TriedPolicies(items=list(map(_tried, found)))

    @router.get(
        "/effects", responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)
    )
    async def shadow_effects(
        controller: Annotated[ControllerName, Query()],
        candidate: Annotated[Name, Query()],
        since: Annotated[
            Time | None, Query(description="Events from the beginning of that hour on.")
        ] = None,
        limit: Annotated[int, Query(ge=0, le=MAX_EFFECTS)] = 100,
    ) -> ShadowAnswer:
        """What it would change, as `POST /what-if` says it, and which exceptions cover that."""
        found = await asyncio.to_thread(find_candidate, current(), controller, candidate)
        if found is None:
            raise not_found(candidate, "policy in shadow mode")
        since = whole_hour(since)
        try:
            what_if = await service.try_candidate(found.compiled, since)
            async with database.reading() as connection:
                silences = await active_silences(connection, clock())
            covered = await excepted_events(service, database, what_if, silences, since)
        except TooBusyError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too-busy",
                str(error),
                headers={"Retry-After": "10"},
            ) from None
        some = await read_all_effects(database, what_if, what_if.effects[:limit], since=since)
        async with database.reading() as connection:
            subjects = await count_subjects(connection, some, since=since, until=None)
        return ShadowAnswer(
            tried=_tried(found),
            since=since,
            totals={change: shown_amount(each) for change, each in what_if.totals.items()},
            other=shown_amount(what_if.other),
            carried=shown_amount(what_if.carried),
            excepted_events=covered,
            effects=[
                _shown(effect, number, silences)
                for effect, number in zip(some, subjects, strict=True)
            ],
            all_effects=len(what_if.effects),
        )

    return router


def _tried(candidate: Candidate) -> TriedPolicy:
    return TriedPolicy(
        controller=candidate.compiled.policy.controller,
        candidate=candidate.name,
        digest=candidate.compiled.digest,
        in_place_of=candidate.beside,
        statements=list(candidate.statements),
    )


def _shown(effect: Effect, subjects: int | None, silences: Sequence[Silence]) -> ShadowEffect:
    found = excepted(effect, silences)
    return ShadowEffect(
        **shown_effect(effect, subjects).model_dump(),
        exceptions=[each.id for each in found.silences],
        is_excepted=found.is_whole,
    )
