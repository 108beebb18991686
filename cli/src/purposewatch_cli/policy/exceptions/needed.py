"""Which exceptions a candidate needs, from what it would newly flag. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

NEWLY_FLAGGED = ("becomes_violation", "becomes_unknown")
"""What becomes of a flow that alerts as soon as the candidate is live."""

UNKNOWN = "unknown"
"""The kind of what could not be judged."""


class Matched(NamedTuple):
    """What an exception is about: one finding, so nothing else is silenced by it."""

    role: str
    kind: str
    data_category: str
    purpose: str
    recipient: str
    publisher: str


@dataclass(slots=True)
class Need:
    """Why an exception is needed."""

    matched: Matched
    events: int
    """Of all publishers of these flows."""
    last_time: str
    now_by: str | None
    """The statement that permits it."""
    then_by: str | None
    """The statement that would prohibit it, or come nearest."""


def needed(effects: Iterable[Mapping[str, Any]]) -> list[Need]:
    """Return an exception for each finding that would be new, the most frequent first."""
    needs: dict[Matched, Need] = {}
    for effect in effects:
        if effect["change"] not in NEWLY_FLAGGED:
            continue
        before = {each["data_category"]: each for each in effect["before"]["categories"]}
        for category in effect["after"]["categories"]:
            if category["outcome"] == "permitted":
                continue
            for publisher in effect["publishers"]:
                _add(needs, effect, before.get(category["data_category"]), category, publisher)
    return sorted(needs.values(), key=lambda each: (-each.events, each.matched))


def _add(
    needs: dict[Matched, Need],
    effect: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    publisher: str,
) -> None:
    flow = effect["flow"]
    matched = Matched(
        flow["role"],
        after["kind"] or UNKNOWN,
        after["data_category"],
        flow["purpose"],
        flow["recipient"],
        publisher,
    )
    need = needs.get(matched)
    if need is None:
        now_by = None if before is None else before["statement"]
        need = Need(matched, 0, effect["last_time"], now_by, after["statement"])
        needs[matched] = need
    need.events += effect["events"]
    need.last_time = max(need.last_time, effect["last_time"])
