"""Records of processing activities: what was declared beside what was observed."""

from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field, field_validator
from starlette.responses import Response

from purposewatch_policy import CONTROLLER_PATTERN
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.parameters import TimeRange
from purposewatch_reporter.api.problems import ProblemError, not_found
from purposewatch_reporter.findings.export_trail import Format
from purposewatch_reporter.processing_record.as_json import RecordOut
from purposewatch_reporter.processing_record.export import RECORD_FILES, Asked, RecordExports
from purposewatch_reporter.processing_record.reader import (
    RecordsBusyError,
    UnknownControllerError,
)

API_AUTHOR = "(api)"
"""What the trail of exports says of whoever has the token."""

_RETRY_AFTER = {"Retry-After": "10"}


class RecordFormat(StrEnum):
    """What kind of file."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"
    WORD = "docx"


class RecordLanguage(StrEnum):
    """The language of headings and labels."""

    EN = "en"
    ZH = "zh"


class RecordParameters(TimeRange):
    """Of what time, and how the record is written."""

    format: RecordFormat = Field(
        default=RecordFormat.JSON, description="`html` is a page to print, `docx` is for Word."
    )
    lang: RecordLanguage = Field(
        default=RecordLanguage.EN, description="The language of headings and labels."
    )

    @field_validator("since", "until")
    @classmethod
    def _is_a_whole_hour(cls, time: datetime | None) -> datetime | None:
        if time is not None:
            utc = time.astimezone(UTC)
            if utc != utc.replace(minute=0, second=0, microsecond=0):
                message = "flows are counted by the hour; give a whole hour in UTC"
                raise ValueError(message)
        return time


def records_routes(exports: RecordExports) -> APIRouter:
    """The route of /records."""
    router = APIRouter(
        tags=["records"],
        responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    kinds: dict[str, dict[str, str]] = {
        file.media_type.partition(";")[0]: {} for file in RECORD_FILES.values()
    }

    @router.get(
        "/records/{controller}",
        response_model=RecordOut,
        responses={int(HTTPStatus.OK): {"content": kinds}},
    )
    async def get_record(
        controller: Annotated[str, Path(pattern=CONTROLLER_PATTERN)],
        asked: Annotated[RecordParameters, Query()],
    ) -> Response:
        """The record of processing activities of a controller (article 30 GDPR).

        It shows what the controller declared beside what its services reported, and leaves a line
        in the trail of exports.
        """
        scope = Asked(controller, str(asked.lang), asked.since, asked.until)
        try:
            return await exports.respond(scope, RECORD_FILES[Format(asked.format)], API_AUTHOR)
        except UnknownControllerError:
            raise not_found(controller, "controller") from None
        except RecordsBusyError:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "records-busy",
                "other records are being made; try again later",
                headers=_RETRY_AFTER,
            ) from None

    return router
