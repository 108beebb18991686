"""Reading submitted events: what is accepted, and why something is refused.

Ingest, and every tool that checks events before they are sent, reads them with this package.
"""

from purposewatch_contract.submission.contract import (
    MAX_ERRORS,
    SUBJECT_PATTERN,
    TIME_PATTERN,
    read_event,
)
from purposewatch_contract.submission.json_text import parse_json
from purposewatch_contract.submission.refusal import FieldError, RefusedError

__all__ = [
    "MAX_ERRORS",
    "SUBJECT_PATTERN",
    "TIME_PATTERN",
    "FieldError",
    "RefusedError",
    "parse_json",
    "read_event",
]
