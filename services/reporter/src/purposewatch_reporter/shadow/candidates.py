"""Which policies are tried at a time. Pure."""

from collections.abc import Sequence
from datetime import datetime

from purposewatch_policy import Candidate, PolicySet


def candidates(policies: PolicySet, now: datetime) -> Sequence[Candidate]:
    """Return what is in shadow mode, by controller and name.

    Statements in shadow mode count until their version ends.
    """
    return [
        candidate
        for controller in policies.controllers
        for candidate in policies.shadows(controller)
        if not candidate.statements or _applies(candidate, now)
    ]


def find_candidate(policies: PolicySet, controller: str, name: str) -> Candidate | None:
    """Return what is in shadow mode under a name."""
    if controller not in policies.controllers:
        return None
    found = (each for each in policies.shadows(controller) if each.name == name)
    return next(found, None)


def _applies(candidate: Candidate, now: datetime) -> bool:
    until = candidate.compiled.until
    return until is None or now < until
