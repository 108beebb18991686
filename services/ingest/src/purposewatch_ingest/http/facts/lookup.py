"""`GET /v1/facts`: what is stated about a subject, for publishers with the right to read it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import StatedFactAsOf, SubjectFacts
from purposewatch_contract.submission import TIME_PATTERN
from purposewatch_ingest.http.facts.consent_record import consent_records
from purposewatch_ingest.http.handling import RequestHandling, subjects_unavailable
from purposewatch_ingest.http.problems import ProblemError, ProblemKind, answering_defects
from purposewatch_ingest.http.reporter import asking_reporter, known_reporter
from purposewatch_ingest.pseudonyms.interface import SubjectsUnavailableError
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.reporter import FactSource
from purposewatch_policy import TERM_PATTERN

JSON_LD = "application/ld+json"
SUBJECT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
MAX_SUBJECT = 256

_TIME = re.compile(TIME_PATTERN, re.ASCII)
_SUBJECT = re.compile(SUBJECT_PATTERN)
_TERM = re.compile(TERM_PATTERN)
_UNCACHED = {"Cache-Control": "no-store", "Vary": "Accept"}


class _Asked(BaseModel):
    """Whose facts, and as of when."""

    controller: str
    subject_id: str
    fact: str | None
    as_of: datetime


class FactLookupEndpoint:
    """Asks the reporter on behalf of publishers, each about the facts that it may read."""

    def __init__(self, handling: RequestHandling, reporter: FactSource | None) -> None:
        self._handling = handling
        self._ingest = handling.ingest
        self._reporter = reporter

    @answering_defects
    async def show(self, request: Request) -> Response:
        """Return what is stated, or consents as records of ISO/IEC TS 27560."""
        publisher = await self._handling.authenticator.publisher_of(request)
        asked = _asked(request, self._ingest.clock())
        self._ensure_allowed(publisher, asked)
        reporter = known_reporter(self._reporter)
        try:
            subjects = await self._ingest.pseudonyms.recognised(
                asked.controller, asked.subject_id, self._ingest.clock()
            )
        except SubjectsUnavailableError as error:
            raise subjects_unavailable(error) from None
        async with self._handling.shares.handle(publisher.name, 1):
            found = SubjectFacts(as_of=asked.as_of, statements=[])
            for subject in subjects.every:
                stated = await self._ask(reporter, asked, subject, publisher)
                if subject != subjects.in_use:  # nothing decides that is stated under it
                    stated = [each.model_copy(update={"in_force": False}) for each in stated]
                found.statements += stated
        if JSON_LD in request.headers.get("accept", ""):
            version = self._ingest.decisions().policies.in_force(asked.controller, asked.as_of)
            record = consent_records(asked.controller, asked.subject_id, found, version)
            return JSONResponse(record, media_type=JSON_LD, headers=_UNCACHED)
        return JSONResponse(found.model_dump(mode="json"), headers=_UNCACHED)

    def _ensure_allowed(self, publisher: Publisher, asked: _Asked) -> None:
        if not publisher.reads_facts or (asked.fact and not publisher.may_read(asked.fact)):
            detail = (
                "the publisher may not look this up; have it added to the publisher's "
                "`reads_facts` in the register"
            )
            raise ProblemError(ProblemKind.FORBIDDEN, detail)
        known = asked.controller in self._ingest.vocabularies()
        if not known or asked.controller not in publisher.controllers:
            # one answer for both: other controllers must not be revealed to the publisher
            detail = "the controller has no declared policy or is not among the publisher's"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)

    async def _ask(
        self, reporter: FactSource, asked: _Asked, subject: str, publisher: Publisher
    ) -> Sequence[StatedFactAsOf]:
        with asking_reporter("facts"):
            answer = await reporter.facts_of(
                asked.controller, subject, as_of=asked.as_of, fact=asked.fact
            )
            statements = SubjectFacts.model_validate_json(answer).statements
        return [each for each in statements if publisher.may_read(each.fact)]


def _asked(request: Request, now: datetime) -> _Asked:
    """What the query asks for. Problems never quote what was sent."""
    given = request.query_params
    subject_id, fact = given.get("subject_id", ""), given.get("fact")
    if not given.get("controller"):
        raise ProblemError(ProblemKind.INVALID_QUERY, "`controller` is missing; add it")
    if not _SUBJECT.fullmatch(subject_id) or len(subject_id) > MAX_SUBJECT:
        message = "`subject_id` must be text of 1 to 256 characters, none of them a control one"
        raise ProblemError(ProblemKind.INVALID_QUERY, message)
    if fact is not None and not _TERM.fullmatch(fact):
        raise ProblemError(ProblemKind.INVALID_QUERY, "`fact` must be a fact's name")
    text = given.get("as_of")
    return _Asked(
        controller=given["controller"],
        subject_id=subject_id,
        fact=fact,
        as_of=now if text is None else _time(text),
    )


def _time(text: str) -> datetime:
    with suppress(ValueError, OverflowError):
        if _TIME.fullmatch(text) and (time := datetime.fromisoformat(text.upper())).tzinfo:
            return time.astimezone(UTC)
    message = "`as_of` must be an RFC 3339 date-time with its zone, with `+` as `%2B`"
    raise ProblemError(ProblemKind.INVALID_QUERY, message)
