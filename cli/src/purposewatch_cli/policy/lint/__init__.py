"""Finds what is wrong with policies, or risky in them, beyond what keeps them from loading."""

from purposewatch_cli.policy.lint.check import LintResult, lint_path
from purposewatch_cli.policy.lint.finding import Finding, Related, Rule, Severity
from purposewatch_cli.policy.lint.rules import RULES

__all__ = ["RULES", "Finding", "LintResult", "Related", "Rule", "Severity", "lint_path"]
