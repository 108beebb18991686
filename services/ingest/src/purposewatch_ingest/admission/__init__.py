"""Decides whether a submitted event is admitted, and what becomes of it. Pure: no clock, no I/O."""

from purposewatch_ingest.admission.admit import admit
from purposewatch_ingest.admission.cache import AdmissionCache
from purposewatch_ingest.admission.canonical import AdmittedEvent
from purposewatch_ingest.admission.pseudonym import Pseudonymiser
from purposewatch_ingest.admission.rules import AdmissionRules

__all__ = ["AdmissionCache", "AdmissionRules", "AdmittedEvent", "Pseudonymiser", "admit"]
