"""Lints a tree of policies, or one controller's part of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.files.directory import LoadedController, load_tree
from purposewatch_policy.files.draft import Draft
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint.acceptance import accept
from purposewatch_policy.lint.contradictions import find_contradictions
from purposewatch_policy.lint.finding import Finding, Severity
from purposewatch_policy.lint.risks import find_risks
from purposewatch_policy.lint.rules import LOAD_ERROR
from purposewatch_policy.lint.shadow_mode import at_promotion, find_shadow_faults
from purposewatch_policy.lint.shadowing import find_shadowed
from purposewatch_policy.lint.subject import Subject, locate, subject_of
from purposewatch_policy.lint.timeline import find_gaps
from purposewatch_policy.lint.unused import (
    find_impossible_conditions,
    find_unused_defined_terms,
    find_unused_facts,
)
from purposewatch_policy.shadow import Candidate, with_shadow_statements
from purposewatch_policy.yaml_reader import InvalidSourceError, Location, SourceError


@dataclass(frozen=True, slots=True)
class LintResult:
    """The findings of one run."""

    findings: tuple[Finding, ...]
    """By file and line."""
    policies: tuple[tuple[str, str, int], ...] = ()
    """LoadedController, version and number of statements of what could be loaded."""

    def count(self, severity: Severity) -> int:
        """Return how many findings of a severity are not accepted."""
        return sum(each.severity is severity and each.accepted is None for each in self.findings)

    @property
    def accepted(self) -> int:
        """The number of findings that the policies accept."""
        return sum(each.accepted is not None for each in self.findings)

    def fails(self, threshold: Severity) -> bool:
        """Whether a finding that is not accepted is at least this severe."""
        return any(
            each.accepted is None and each.severity.reaches(threshold) for each in self.findings
        )


def lint_path(path: Path) -> LintResult:
    """Check a tree of policies, or one controller's directory with the common vocabulary.

    A controller is checked whatever faults others have, and those are not reported when only this
    controller is named.
    """
    tree = load_tree(path)
    errors = list(tree.errors)
    findings: list[Finding] = []
    policies: list[tuple[str, str, int]] = []
    for controller in tree.controllers:
        try:
            live = [_located(each, controller) for each in _live(controller)]
            tried = [
                (each, _located(each.compiled, controller))
                for each in controller.policies.shadows(controller.name)
            ]
        except InvalidSourceError as error:
            errors.extend(error.errors)
            continue
        findings.extend(_check(controller, live, tried))
        policies.extend(
            (controller.name, version, len(with_shadow_statements(file.policy).statements))
            for version, file in controller.files.items()
        )
    findings.extend(_load_error(error) for error in errors)
    return LintResult(tuple(sorted(findings, key=lambda each: each.order)), tuple(policies))


def lint_draft(draft: Draft) -> tuple[Finding, ...]:
    """Check one version by itself: what it says, not the times of other versions."""
    subject = subject_of(draft.compiled, draft.files)
    return tuple(sorted(accept(_check_version(subject), subject), key=lambda each: each.order))


def _live(controller: LoadedController) -> tuple[CompiledPolicy, ...]:
    return controller.policies.versions(controller.name)


def _located(compiled: CompiledPolicy, controller: LoadedController) -> Subject:
    return locate(compiled, controller.files[compiled.policy.version].version_at.path)


def _check(
    controller: LoadedController, live: list[Subject], tried: list[tuple[Candidate, Subject]]
) -> Iterator[Finding]:
    for subject in live:
        yield from accept(_check_version(subject), subject)
    versions = {each.policy.version: each for each in _live(controller)}
    for candidate, subject in tried:
        found = _check_version(subject)
        if candidate.statements:  # the others are checked with their live version
            found = at_promotion(found, candidate)
        yield from accept(found, subject, candidate.statements or None)
        yield from find_shadow_faults(candidate, subject, versions)
    yield from find_gaps(live)
    subjects = [*live, *(subject for _, subject in tried)]
    yield from find_unused_facts(controller.name, controller.home, subjects)


def _check_version(subject: Subject) -> Iterator[Finding]:
    space = FlowSpace(subject.compiled)
    yield from find_contradictions(subject, space)
    yield from find_shadowed(subject, space)
    yield from find_risks(subject)
    yield from find_unused_defined_terms(subject)
    yield from find_impossible_conditions(subject)


def _load_error(error: SourceError) -> Finding:
    at = Location(error.path, error.line, error.column)
    return Finding(LOAD_ERROR, Severity.ERROR, at, error.message)
