"""Asking the reporter on behalf of a publisher."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import ValidationError

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.request_shares import RETRY_SECONDS
from purposewatch_ingest.reporter import ReporterUnavailableError
from purposewatch_runtime.logs import get_logger

S = TypeVar("S")

_log = get_logger(__name__)


def known_reporter(reporter: S | None) -> S:
    """The reporter that is configured; a problem without one."""
    if reporter is None:
        detail = "this ingest knows no reporter; set PURPOSEWATCH_INGEST_REPORTER_URL"
        raise ProblemError(ProblemKind.NOT_FOUND, detail)
    return reporter


@contextmanager
def asking_reporter(what: str) -> Iterator[None]:
    """Turn the absence of the reporter, or an answer that is not one, into a problem."""
    try:
        yield
    except (ReporterUnavailableError, ValidationError) as error:
        reason = str(error) if isinstance(error, ReporterUnavailableError) else "not an answer"
        _log.warning("reporter did not answer", asked=what, reason=reason)
        raise ProblemError(
            ProblemKind.REPORTER_UNAVAILABLE,
            "the reporter does not answer; ask again later",
            headers={"Retry-After": str(RETRY_SECONDS)},
        ) from None
