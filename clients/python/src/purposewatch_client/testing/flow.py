"""A flow that tests exercised, as plain data that a report can carry between processes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

_NO_FLOW = frozenset({"subject_id", "count"})


class ExercisedFlow(TypedDict):
    """One distinct flow of one test."""

    flow: dict[str, Any]
    outcome: str
    kind: str | None
    allowed: str | None
    """The reason of the marker that allows it; `None` if none does."""
    events: int


def described(flow: Mapping[str, Any]) -> str:
    """Return a flow in one line."""
    categories = ", ".join(flow["data_categories"])
    return (
        f"{flow['operation']} {categories} of {flow['role']} "
        f"to {flow['recipient']} for {flow['purpose']}"
    )


def flow_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flow of a captured event: its data without the subject and the count."""
    return {name: value for name, value in event["data"].items() if name not in _NO_FLOW}


def key_of(flow: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal flows."""
    return repr(sorted((name, _hashable(value)) for name, value in flow.items()))


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted(value.items())
    return sorted(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
