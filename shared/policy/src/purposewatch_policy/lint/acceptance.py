"""Marks the findings that a policy accepts, and finds acceptances without a finding."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from purposewatch_policy.lint.finding import Finding, Severity
from purposewatch_policy.lint.rules import RULES, UNUSED_ACCEPTANCE
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.yaml_reader import did_you_mean


def accept(
    findings: Iterable[Finding], subject: Subject, among: Container[str] | None = None
) -> Iterator[Finding]:
    """Yield the findings about one version with its acceptances applied.

    A finding about two statements is accepted by either of them. Unused acceptances are found in
    all statements, or among some.
    """
    reasons = {
        (statement.id, accepted.rule): accepted.reason
        for statement in subject.policy.statements
        for accepted in statement.accepted_findings
    }
    used = set()
    for finding in findings:
        keys = [(each, finding.rule.id) for each in finding.statements]
        accepting = [key for key in keys if key in reasons]
        used.update(accepting)
        yield replace(finding, accepted=reasons[accepting[0]]) if accepting else finding
    for statement_id, rule in reasons:
        if (statement_id, rule) not in used and (among is None or statement_id in among):
            yield _unused(subject, statement_id, rule)


def _unused(subject: Subject, statement_id: str, rule: str) -> Finding:
    if rule in RULES:
        message = f"`{statement_id}` accepts `{rule}`, which does not find anything in it"
        message += "; remove the entry"
    else:
        hint = did_you_mean(rule, RULES) or "; remove the entry"
        message = f"`{statement_id}` accepts `{rule}`, which is not a rule{hint}"
    return Finding(
        rule=UNUSED_ACCEPTANCE,
        severity=Severity.WARNING,
        at=subject.statement_id(statement_id, "accepted_findings"),
        message=message,
        controller=subject.policy.controller,
        version=subject.policy.version,
    )
