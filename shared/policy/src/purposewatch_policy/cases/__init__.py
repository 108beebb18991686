"""Cases beside a policy, as data: a flow, and the decision that is expected for it."""

from purposewatch_policy.cases.coverage import Coverage, measure
from purposewatch_policy.cases.read import (
    Case,
    CaseFile,
    Expectation,
    Mismatch,
    check_case,
    deciding_category,
    load_cases,
    mismatches,
)
from purposewatch_policy.cases.run import CaseResult, ControllerResult, run_controller

__all__ = [
    "Case",
    "CaseFile",
    "CaseResult",
    "ControllerResult",
    "Coverage",
    "Expectation",
    "Mismatch",
    "check_case",
    "deciding_category",
    "load_cases",
    "measure",
    "mismatches",
    "run_controller",
]
