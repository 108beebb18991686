"""Finds what is wrong with policies, or risky in them, beyond what keeps them from loading."""

from purposewatch_policy.lint.check import LintResult, lint_draft, lint_path
from purposewatch_policy.lint.finding import Finding, Related, Rule, Severity
from purposewatch_policy.lint.rules import RULES

__all__ = [
    "RULES",
    "Finding",
    "LintResult",
    "Related",
    "Rule",
    "Severity",
    "lint_draft",
    "lint_path",
]
