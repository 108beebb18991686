"""Decides whether a submitted event is admitted, and what becomes of it. Pure: no clock, no I/O."""

from purposewatch_ingest.admission.admit import AdmissionRules, admit
from purposewatch_ingest.admission.canonical import AdmittedEvent
from purposewatch_ingest.admission.contract import read_event
from purposewatch_ingest.admission.json_text import parse_json
from purposewatch_ingest.admission.pseudonym import Pseudonymiser
from purposewatch_ingest.admission.refusal import FieldError, RefusedError

__all__ = [
    "AdmissionRules",
    "AdmittedEvent",
    "FieldError",
    "Pseudonymiser",
    "RefusedError",
    "admit",
    "parse_json",
    "read_event",
]
