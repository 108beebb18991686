"""Puts decisions into words that a compliance officer understands.

A decision carries its English sentence from the start (`english`). In another language it is put
into words on demand, from the decision, the flow and the policy (`language`).
"""

from purposewatch_policy.explain.english import (
    event,
    not_in_force,
    omission,
    operation_phrase,
    permission,
    prohibition,
    unknown_controller,
    unknown_terms,
)
from purposewatch_policy.explain.lacks import failed_dimension

__all__ = [
    "event",
    "failed_dimension",
    "not_in_force",
    "omission",
    "operation_phrase",
    "permission",
    "prohibition",
    "unknown_controller",
    "unknown_terms",
]
