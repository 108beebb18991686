"""`POST /v1/erasures`: forgets a data subject, as far as ingest can."""

from collections.abc import Sequence
from itertools import groupby

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import LATEST_EFFECTIVE, StatedFactAsOf, SubjectFacts
from purposewatch_contract.codec import FactKey
from purposewatch_contract.submission import RefusedError, parse_json
from purposewatch_ingest.content_modes import BINARY, ContentMode, content_mode
from purposewatch_ingest.http.handling import RequestHandling, subjects_unavailable
from purposewatch_ingest.http.problems import ProblemError, ProblemKind, answering_defects
from purposewatch_ingest.http.reporter import asking_reporter, known_reporter
from purposewatch_ingest.pseudonyms.interface import SubjectsUnavailableError
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.reporter import MAX_STATEMENTS, FactSource
from purposewatch_policy import Controller
from purposewatch_runtime.kafka import AcknowledgedProducer
from purposewatch_runtime.logs import get_logger

_CAN_BE_DERIVED = (
    "pseudonyms are derived from a key: whoever has the key and the identifier can derive them "
    "again, so events and verdicts can still be linked to the subject until their retention ends"
)
RAW_UNTIL_RETENTION = (
    "the raw topic and dead letters hold the identifier, if it was sent there, until their "
    "retention ends"
)
_MORE = "more statements than can be read at once: send the same request again in a minute"

_log = get_logger(__name__)


class Erasure(BaseModel):
    """Which data subject to forget."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    controller: Controller
    subject_id: str = Field(min_length=1, max_length=256, description="As in events and facts.")


class Erased(BaseModel):
    """What was done, and what was not."""

    complete: bool = Field(
        description="Whether everything was done that can be. If not, send it again."
    )
    facts_deleted: int = Field(description="Statements of facts, by tombstones in their topic.")
    pseudonym_forgotten: bool | None = Field(
        description="Whether what leads from the subject to its pseudonym was removed; false if "
        "there was nothing; null if pseudonyms are derived from a key and nothing is kept."
    )
    remains: list[str] = Field(description="What is left, and why.")


class ErasuresEndpoint:
    """Handles requests to forget a data subject.

    INVARIANT: the pseudonym is forgotten last: without it the subject's facts can't be found.
    """

    def __init__(
        self,
        handling: RequestHandling,
        producer: AcknowledgedProducer,
        reporter: FactSource | None,
    ) -> None:
        self._handling = handling
        self._ingest = handling.ingest
        self._producer = producer
        self._reporter = reporter

    @answering_defects
    async def erase(self, request: Request) -> Response:
        """Handle one request. Nothing is done unless the reporter tells the subject's facts."""
        publisher = await self._handling.authenticator.publisher_of(request)
        if not publisher.erases_subjects:
            detail = (
                "the publisher may not erase subjects; have it registered with "
                "`erases_subjects: true`"
            )
            raise ProblemError(ProblemKind.FORBIDDEN, detail)
        if content_mode(request.headers.get("content-type", "")) is not ContentMode.BINARY:
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, f"send `{BINARY}`")
        async with self._handling.bodies.receive(request, publisher.name) as body:
            erasure = _read(body)
            self._ensure_own(publisher, erasure.controller)
            erased = await self._erase(erasure, publisher)
        return JSONResponse(erased.model_dump(), headers={"Cache-Control": "no-store"})

    def _ensure_own(self, publisher: Publisher, controller: str) -> None:
        known = controller in self._ingest.vocabularies()
        if not known or controller not in publisher.controllers:
            # one answer for both: other controllers must not be revealed to the publisher
            detail = "the controller has no declared policy or is not among the publisher's"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)

    async def _erase(self, erasure: Erasure, publisher: Publisher) -> Erased:
        pseudonyms, controller = self._ingest.pseudonyms, erasure.controller
        reporter = known_reporter(self._reporter)
        try:
            subjects = await pseudonyms.recognised(
                controller, erasure.subject_id, self._ingest.clock()
            )
            stated = {each: await _facts_of(reporter, controller, each) for each in subjects.every}
            deleted = sum(map(len, stated.values()))
            complete = all(map(_is_all, stated.values()))
            tombstones = [
                self._ingest.tombstone(
                    FactKey.of(
                        *(subject, controller, each.fact, each.effective_from),
                        *(each.source, each.statement),
                    )
                )
                for subject, statements in stated.items()
                for each in statements
            ]
            await self._handling.publish(
                self._producer, tombstones, publisher, "fact", charged=False
            )
            forgotten = None
            if complete:
                forgotten = await pseudonyms.forget(controller, erasure.subject_id)
        except SubjectsUnavailableError as error:
            raise subjects_unavailable(error) from None
        kept_by_key = forgotten is None and complete
        remains = [RAW_UNTIL_RETENTION]
        remains += [_CAN_BE_DERIVED] if kept_by_key else []
        remains += [] if complete else [_MORE]
        _log.info(
            "subject erased",
            publisher=publisher.name,
            controller=controller,
            facts=deleted,
            complete=complete,
        )
        return Erased(
            complete=complete,
            facts_deleted=deleted,
            pseudonym_forgotten=forgotten,
            remains=remains,
        )


async def _facts_of(
    reporter: FactSource, controller: str, subject: str
) -> Sequence[StatedFactAsOf]:
    """All statements, also those that are to take effect."""
    with asking_reporter("facts"):
        answer = await reporter.facts_of(controller, subject, as_of=LATEST_EFFECTIVE)
        return SubjectFacts.model_validate_json(answer).statements


def _is_all(statements: Sequence[StatedFactAsOf]) -> bool:
    """Whether the reporter can't have left statements out."""
    by_fact = groupby(statements, key=lambda each: each.fact)
    return all(len(list(alike)) < MAX_STATEMENTS for _, alike in by_fact)


def _read(body: bytes) -> Erasure:
    """What is to be erased. Problems never quote what was sent."""
    try:
        return Erasure.model_validate(parse_json(body), strict=True)
    except RefusedError as error:
        raise ProblemError(ProblemKind.NOT_JSON, str(error)) from None
    except ValidationError as error:
        named = {each["loc"][0] for each in error.errors() if each["loc"]}
        # the sender may have named a field after somebody
        fields = ", ".join(f"`{each}`" for each in Erasure.model_fields if each in named)
        detail = f"{fields or 'the content'} is not right: state `controller` and `subject_id`"
        raise ProblemError(ProblemKind.INVALID_ERASURE, detail) from None
