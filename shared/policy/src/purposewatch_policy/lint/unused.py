"""Finds what is declared without effect: defined terms, facts, impossible conditions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from purposewatch_policy.flow import MAX_FACTS
from purposewatch_policy.lint.finding import Finding, Severity, cited
from purposewatch_policy.lint.rules import IMPOSSIBLE_CONDITION, UNUSED_DEFINED_TERM, UNUSED_FACT
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.shadow import with_shadow_statements
from purposewatch_policy.yaml_reader import Location, MappingNode, read_mapping


def find_impossible_conditions(subject: Subject) -> Iterator[Finding]:
    """Yield statements that require more facts than an event may state."""
    for index, statement in enumerate(subject.policy.statements):
        if len(statement.when) > MAX_FACTS:
            yield Finding(
                rule=IMPOSSIBLE_CONDITION,
                severity=Severity.ERROR,
                at=subject.statement(index, "when"),
                message=(
                    f"{cited(statement)} requires {len(statement.when)} facts, but an event may "
                    f"carry at most {MAX_FACTS}, so it never applies; declare one fact that "
                    "stands for several"
                ),
                controller=subject.policy.controller,
                version=subject.policy.version,
                statements=(statement.id,),
            )


def find_unused_defined_terms(subject: Subject) -> Iterator[Finding]:
    """Yield defined terms that no statement uses, in shadow mode or not."""
    used = {
        name
        for each in with_shadow_statements(subject.policy).statements
        for name in (*each.defined_terms, *each.excepted_defined_terms)
    }
    waiting = list(used)
    while waiting:
        nested = set(subject.nested_terms(waiting.pop())) - used
        used |= nested
        waiting.extend(nested)
    for name in subject.policy.defined_terms:
        if name not in used:
            yield Finding(
                rule=UNUSED_DEFINED_TERM,
                severity=Severity.WARNING,
                at=subject.defined_term(name),
                message=(
                    f"the defined term `{name}` is used by no statement; remove it, or name it in "
                    "the `defined_terms` of the statement that it is meant for"
                ),
                controller=subject.policy.controller,
                version=subject.policy.version,
            )


def find_unused_facts(
    controller: str, home: Path, versions: Sequence[Subject]
) -> Iterator[Finding]:
    """Yield the facts of a controller's own vocabulary that nothing uses, in shadow mode or not."""
    asked = {
        fact
        for version in versions
        for statement in with_shadow_statements(version.policy).statements
        for fact in (*statement.when, *statement.unless)
    }
    for fact, at in _own_facts(home / "vocabulary.yaml").items():
        if fact not in asked:
            yield Finding(
                rule=UNUSED_FACT,
                severity=Severity.NOTE,
                at=at,
                message=(
                    f"no statement uses the fact `{fact}`; remove it, or name it in the "
                    "`when` or `unless` of the statement that it is meant for"
                ),
                controller=controller,
            )


def _own_facts(path: Path) -> Mapping[str, Location]:
    root = read_mapping(path, []) if path.exists() else None
    facts = root.entries.get("facts") if root else None
    return facts.key_at if isinstance(facts, MappingNode) else {}
