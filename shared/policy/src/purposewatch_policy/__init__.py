"""The declared policies and the decision: pure, without broker, clock, log or database."""

from purposewatch_policy.cached_decider import CachedDecider, DecisionCache
from purposewatch_policy.cases.read import (
    Case,
    CaseFile,
    Difference,
    check_case,
    deciding_category,
    differences,
    load_cases,
)
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.load import load_policies
from purposewatch_policy.model import AcceptedFinding, DefinedTerm, Effect, Policy, Statement
from purposewatch_policy.policy_set import PolicySet

__all__ = [
    "AcceptedFinding",
    "CachedDecider",
    "Case",
    "CaseFile",
    "CompiledPolicy",
    "DecisionCache",
    "DefinedTerm",
    "Difference",
    "Effect",
    "Policy",
    "PolicySet",
    "Statement",
    "check_case",
    "decide",
    "decide_under",
    "deciding_category",
    "differences",
    "load_cases",
    "load_policies",
]
