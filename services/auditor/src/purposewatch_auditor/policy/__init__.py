"""The declared policies and the decision: pure, without broker, clock, log or database."""

from purposewatch_auditor.policy.cases import Case, CaseFile, check_case, load_cases
from purposewatch_auditor.policy.compile import CompiledPolicy
from purposewatch_auditor.policy.decide import decide, decide_under
from purposewatch_auditor.policy.load import load_policies
from purposewatch_auditor.policy.model import DefinedTerm, Effect, Policy, Statement
from purposewatch_auditor.policy.policy_set import PolicySet

__all__ = [
    "Case",
    "CaseFile",
    "CompiledPolicy",
    "DefinedTerm",
    "Effect",
    "Policy",
    "PolicySet",
    "Statement",
    "check_case",
    "decide",
    "decide_under",
    "load_cases",
    "load_policies",
]
