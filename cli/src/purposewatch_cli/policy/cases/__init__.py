"""Runs the cases beside each policy and tells what they leave out."""

from purposewatch_policy.cases import (
    CaseResult,
    ControllerResult,
    Coverage,
    measure,
    run_controller,
)

__all__ = ["CaseResult", "ControllerResult", "Coverage", "measure", "run_controller"]
