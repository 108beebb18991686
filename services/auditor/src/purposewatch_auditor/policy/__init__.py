"""The declared policies and the decision: pure, without broker, clock, log or database."""

from purposewatch_auditor.policy.cases import (
    Case,
    CaseFile,
    Difference,
    check_case,
    deciding_category,
    differences,
    load_cases,
)
from purposewatch_auditor.policy.compile import CompiledPolicy
from purposewatch_auditor.policy.decide import decide, decide_under
from purposewatch_auditor.policy.load import load_policies
from purposewatch_auditor.policy.model import (
    AcceptedFinding,
    DefinedTerm,
    Effect,
    Policy,
    Statement,
)
from purposewatch_auditor.policy.policy_set import PolicySet
from purposewatch_auditor.policy.remember import Remembering, RememberingDecider

__all__ = [
    "AcceptedFinding",
    "Case",
    "CaseFile",
    "CompiledPolicy",
    "DefinedTerm",
    "Difference",
    "Effect",
    "Policy",
    "PolicySet",
    "Remembering",
    "RememberingDecider",
    "Statement",
    "check_case",
    "decide",
    "decide_under",
    "deciding_category",
    "differences",
    "load_cases",
    "load_policies",
]
