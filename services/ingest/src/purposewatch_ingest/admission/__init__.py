"""Decides whether a submitted event is admitted, and what becomes of it. Pure: no clock, no I/O."""

from purposewatch_ingest.admission.admit import AdmissionRules, admit
from purposewatch_ingest.admission.canonical import AdmittedEvent
from purposewatch_ingest.admission.pseudonym import Pseudonymiser

__all__ = ["AdmissionRules", "AdmittedEvent", "Pseudonymiser", "admit"]
