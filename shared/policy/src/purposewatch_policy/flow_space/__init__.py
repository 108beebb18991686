"""Sets of flows and of terms: what statements cover, and how to describe it in few words."""

from purposewatch_policy.flow_space.axes import Axis, Days
from purposewatch_policy.flow_space.region import Region, Retention, Terms, describe_box
from purposewatch_policy.flow_space.space import Box, FlowSpace, contains, minus
from purposewatch_policy.flow_space.term_sets import Branch, TermSet, branches, describe, expand

__all__ = [
    "Axis",
    "Box",
    "Branch",
    "Days",
    "FlowSpace",
    "Region",
    "Retention",
    "TermSet",
    "Terms",
    "branches",
    "contains",
    "describe",
    "describe_box",
    "expand",
    "minus",
]
