"""Runs the cases beside each policy and tells what they leave out."""

from purposewatch_policy.cases.coverage import Coverage, measure
from purposewatch_policy.cases.run import CaseResult, ControllerResult, run_controller

__all__ = ["CaseResult", "ControllerResult", "Coverage", "measure", "run_controller"]
