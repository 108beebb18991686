"""The ledger of facts: what systems state about subjects, kept beside the auditor that needs it."""

from purposewatch_auditor.facts.ledger import FactsLedger, FactsView
from purposewatch_auditor.facts.progress import FactsBehindError

__all__ = ["FactsBehindError", "FactsLedger", "FactsView"]
