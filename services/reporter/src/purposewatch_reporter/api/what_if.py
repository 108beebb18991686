"""What a policy would have decided about the events of a time."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.files import NamedText
from purposewatch_reporter.api.description import BODY_PROBLEMS, problems
from purposewatch_reporter.api.parameters import ControllerName, Name, TimeRange
from purposewatch_reporter.api.problems import FieldError, ProblemError
from purposewatch_reporter.parameters import Id, StorableText
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.answering import (
    POLICY_NAME,
    PolicyTooLargeError,
    Question,
    TooBusyError,
    UnknownVersionError,
    WhatIfRefusedError,
    WhatIfService,
)
from purposewatch_reporter.what_if.details import read_all_effects
from purposewatch_reporter.what_if.shown import WhatIfAnswer, shown_answer, shown_effect
from purposewatch_reporter.what_if.subjects import count_subjects

WHAT_IF_PATH = "/api/v1/what-if"

MAX_EFFECTS = 1_000
MAX_FLOWS = 10_000

_STATUSES = {
    UnknownVersionError: (HTTPStatus.NOT_FOUND, "not-found"),
    PolicyTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    TooBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "too-busy"),
}
_RETRY_AFTER = {"Retry-After": "10"}


class WhatIfRequest(TimeRange):
    """A policy, as text or by its version, and the time whose events it is asked about.

    Counts are kept by the hour, and by the day after some months: `since` and `until` begin with
    their hour.
    """

    model_config = TimeRange.model_config | {
        "json_schema_extra": {"examples": [{"controller": "wework-labs", "version": "2018-05-25"}]}
    }

    policy: StorableText | None = Field(
        default=None, min_length=1, description="The text of a policy file, in YAML."
    )
    parts: list[Annotated[StorableText, Field(min_length=1)]] = Field(
        default=[],
        max_length=100,
        description="The texts of its further files, if the version is a directory of files.",
    )
    controller: ControllerName | None = Field(
        default=None, description="Whose policy; needed with `version`."
    )
    version: Name | None = Field(
        default=None, description="Instead of a text: the version that is declared by this name."
    )
    limit: int = Field(default=100, ge=0, le=MAX_EFFECTS, description="How many effects to list.")
    flows: list[Id] | None = Field(
        default=None,
        max_length=MAX_FLOWS,
        description="List these flows instead, also where nothing changes.",
    )

    def question(self) -> Question:
        """What is asked."""
        texts = [NamedText(POLICY_NAME, self.policy)] if self.policy is not None else []
        texts += [
            NamedText(f"part {number}", text) for number, text in enumerate(self.parts, 1) if texts
        ]
        return Question(
            texts=texts,
            controller=self.controller,
            version=self.version,
            since=self.since,
            until=self.until,
            flows=frozenset(map(bytes.fromhex, self.flows or ())),
        )


def what_if_routes(database: Transactions, service: WhatIfService) -> APIRouter:
    """The route of /what-if."""
    router = APIRouter(
        tags=["what-if"],
        responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND, *BODY_PROBLEMS),
    )

    @router.post("/what-if")
    async def ask_what_if(asked: WhatIfRequest) -> WhatIfAnswer:
        """What would become a violation, be permitted, or change its kind, under a policy.

        The policy decides every recorded flow as if it had been in force all the time, whatever
        its dates. The counts are exact for all but `other` and `carried`, which are not decided.
        """
        question = asked.question()
        try:
            answer = await service.answer(question)
        except InvalidSourceError as error:
            raise _invalid(error) from None
        except WhatIfRefusedError as error:
            status, name = _STATUSES[type(error)]
            headers = _RETRY_AFTER if status is HTTPStatus.SERVICE_UNAVAILABLE else None
            raise ProblemError(status, name, str(error), headers=headers) from None
        listed = answer.what_if.effects
        if asked.flows is None:
            listed = listed[: asked.limit]
        else:
            listed = tuple(each for each in listed if each.flow_id in question.flows)
        effects = await read_all_effects(
            database, answer.what_if, listed, since=answer.since, until=answer.until
        )
        async with database.reading() as connection:
            subjects = await count_subjects(
                connection, effects, since=answer.since, until=answer.until
            )
        return shown_answer(answer, list(map(shown_effect, effects, subjects)))

    return router


def _invalid(error: InvalidSourceError) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-policy",
        "the policy has faults; `errors` has the line of each",
        errors=[
            FieldError(field=f"{each.path}:{each.line}", detail=each.message)
            for each in error.errors
        ],
    )
