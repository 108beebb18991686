"""Sets of flows and of terms, and how to say in few words what is in them."""

from purposewatch_policy.flow_space.term_sets import Branch, TermSet, branches, describe, expand

__all__ = ["Branch", "TermSet", "branches", "describe", "expand"]
