"""Finds what is wrong with versions and statements in shadow mode."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.diff.compare import compare
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint.finding import Finding, Rule, Severity, listed
from purposewatch_policy.lint.rules import SHADOW_OVERLAP, SHADOW_WITHOUT_EFFECT
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Policy
from purposewatch_policy.shadow import Candidate
from purposewatch_policy.yaml_reader import Location


def find_shadow_faults(
    candidate: Candidate, subject: Subject, live: Mapping[str, CompiledPolicy]
) -> Iterator[Finding]:
    """Yield what is wrong with a candidate, given its locations and the live versions by name."""
    yield from _overlaps(candidate, subject, live)
    beside = candidate.beside or [*live][-1]
    if not compare(FlowSpace(live[beside], candidate.compiled)):
        what, at = "it", subject.field("mode")
        if candidate.statements:
            what = f"{listed(candidate.statements)} in shadow mode"
            at = subject.statement_id(candidate.statements[0], "shadow")
        message = (
            f"{what} would change no outcome of `{beside}`; give it the terms that it was meant "
            "to have, or remove it"
        )
        yield _finding(subject, SHADOW_WITHOUT_EFFECT, at, message)


def at_promotion(findings: Iterator[Finding], candidate: Candidate) -> Iterator[Finding]:
    """Yield of the findings about a promoted version those that its shadow statements cause."""
    for finding in findings:
        if not set(candidate.statements).isdisjoint(finding.statements):
            details = (*finding.details, "once what is in shadow mode is live")
            yield replace(finding, details=details)


def _overlaps(
    candidate: Candidate, subject: Subject, live: Mapping[str, CompiledPolicy]
) -> Iterator[Finding]:
    if candidate.statements:
        return
    policy = candidate.compiled.policy
    for name, other in live.items():
        if name != candidate.beside and _overlap(policy, other.policy):
            message = (
                f"once live, `{policy.version}` would overlap `{name}`; let it state "
                f"`replaces: {name}`, or move one of the dates"
            )
            yield _finding(subject, SHADOW_OVERLAP, subject.field("mode"), message)


def _overlap(one: Policy, other: Policy) -> bool:
    ends = [(one, other), (other, one)]
    return all(
        earlier.in_force_until is None or earlier.in_force_until > later.in_force_from
        for earlier, later in ends
    )


def _finding(subject: Subject, rule: Rule, at: Location, message: str) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.WARNING,
        at=at,
        message=message,
        controller=subject.policy.controller,
        version=subject.policy.version,
    )
