"""An explanation for machines, with the event and every comparison that the report shows."""

from typing import Any

from purposewatch_policy import Comparison, Explanation, Named, explanation_as_json


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Return everything that the report says, and the values that it was put together from."""
    document: dict[str, Any] = {
        "flow": explanation.flow.model_dump(mode="json", exclude_defaults=True),
        "at": explanation.at.isoformat(),
        "language": explanation.language,
        **explanation_as_json(explanation),
        "hints": [
            {"field": each.field, "term": each.term, "did_you_mean": each.meant}
            for each in explanation.hints
        ],
    }
    for shown, category in zip(document["categories"], explanation.categories, strict=True):
        shown["dimensions"] = [_comparison(each) for each in category.comparisons]
    return document


def _comparison(comparison: Comparison) -> dict[str, Any]:
    expected = comparison.expected
    return {
        "dimension": comparison.dimension,
        "covered": comparison.covered,
        "expected": None if expected is None else [_named(each) for each in expected],
        "actual": [_named(each) for each in comparison.actual],
    }


def _named(named: Named) -> dict[str, Any]:
    value: dict[str, Any] = {"term": named.term, "label": named.label}
    if named.holds is not None:
        value["holds"] = named.holds
    if named.defined_term is not None:
        value["defined_term"] = named.defined_term
    if named.excepted:
        value["excepted"] = True
    return value
