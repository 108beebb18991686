"""Why each data category was not permitted, and the smallest change that would permit it. Pure.

The verdict names the nearest statement and every dimension in which it does not cover the flow.
So either that statement declares what the event did in these dimensions, or the event keeps to
what the statement declares: nothing else is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from purposewatch_policy import Dimension, Kind, Outcome
from purposewatch_reporter.web.declared.policies import DeclaredPolicy, DeclaredStatement

SHOWN_TERMS = 12
"""More expected terms than these are counted, not listed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One dimension: what the statement says and what the event did."""

    dimension: str
    expected: tuple[str, ...]
    more: int
    actual: str | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """The decision about one data category, ready to be shown."""

    category: str
    outcome: str
    kind: str
    grade: str | None
    statement: str | None
    clause: str | None
    declared: DeclaredStatement | None
    sentence: str
    comparisons: Sequence[Comparison]
    remedy: str
    """Which text says what would make it permitted."""

    @property
    def lacking(self) -> list[Comparison]:
        """The dimensions that the statement does not cover."""
        return [each for each in self.comparisons if each.failed]


def reasons(verdict: Mapping[str, Any], policy: DeclaredPolicy | None) -> list[Reason]:
    """The decisions of a verdict, those that are not «permitted» first."""
    found = [_reason(item, verdict["data"], policy) for item in verdict["categories"]]
    return sorted(found, key=lambda reason: reason.outcome == Outcome.PERMITTED)


def _reason(
    item: Mapping[str, Any], data: Mapping[str, Any], policy: DeclaredPolicy | None
) -> Reason:
    kind = item.get("kind") or "unknown"
    statement = item.get("statement")
    declared = policy.statement(statement) if policy and statement else None
    failed = {each["dimension"]: each for each in item.get("failed") or ()}
    return Reason(
        category=item["data_category"],
        outcome=item["outcome"],
        kind=kind,
        grade=item.get("grade"),
        statement=statement,
        clause=item.get("clause"),
        declared=declared,
        sentence=item["sentence"],
        comparisons=_comparisons(item["data_category"], data, failed, declared, policy),
        remedy=_remedy(item["outcome"], kind, has_nearest=bool(failed)),
    )


def _remedy(outcome: str, kind: str, *, has_nearest: bool) -> str:
    if outcome == Outcome.PERMITTED:
        return "none"
    if outcome == Outcome.UNKNOWN:
        return "unknown"
    if kind in (Kind.POLICY_NOT_IN_FORCE, Kind.PROHIBITED):
        return str(kind)
    return "nearest" if has_nearest else "declare"


def _comparisons(
    category: str,
    data: Mapping[str, Any],
    failed: Mapping[str, Mapping[str, Any]],
    declared: DeclaredStatement | None,
    policy: DeclaredPolicy | None,
) -> list[Comparison]:
    compared = []
    for dimension in map(str, Dimension):
        missed = failed.get(dimension)
        actual = _actual(dimension, category, data) if missed is None else missed["actual"]
        expected = (
            tuple(missed["expected"])
            if missed is not None
            else _expected(dimension, declared, policy)
        )
        if missed is None and (not expected or actual is None):
            continue
        compared.append(
            Comparison(
                dimension,
                expected[:SHOWN_TERMS],
                max(0, len(expected) - SHOWN_TERMS),
                actual,
                missed is not None,
            )
        )
    return compared


def _actual(dimension: str, category: str, data: Mapping[str, Any]) -> str | None:
    if dimension == Dimension.DATA_CATEGORY:
        return category
    if dimension == Dimension.RETENTION:
        days = data.get("retention_days")
        return None if days is None else str(days)
    if dimension == Dimension.FACTS:
        stated = data.get("facts") or {}
        return ", ".join(name for name, holds in stated.items() if holds) or None
    value = data.get(dimension)
    return None if value is None else str(value)


def _expected(
    dimension: str, declared: DeclaredStatement | None, policy: DeclaredPolicy | None
) -> tuple[str, ...]:
    if declared is None:
        return ()
    if dimension == Dimension.RETENTION:
        return () if declared.retention_days is None else (str(declared.retention_days),)
    if dimension == Dimension.FACTS:
        return (*declared.when, *(f"not {fact}" for fact in declared.unless))
    terms = declared.terms.get(dimension, ())
    if dimension == Dimension.DATA_CATEGORY and policy is not None:
        for name in declared.defined_terms:
            if name in policy.defined_terms:
                terms += policy.defined_terms[name].data_categories
    return tuple(dict.fromkeys(terms))
