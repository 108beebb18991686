"""The flows that a suite exercised: on the terminal, and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from purposewatch_client.testing.flow import ExercisedFlow, described, key_of


@dataclass(slots=True)
class _Row:
    flow: dict[str, Any]
    outcome: str
    kind: str | None
    tests: dict[str, None] = field(default_factory=dict)
    allowed: dict[str, None] = field(default_factory=dict)
    events: int = 0


@dataclass(slots=True)
class _Gaps:
    tests: dict[str, None] = field(default_factory=dict)
    number: int = 0


class SuiteReport:
    """Adds up the flows of all tests, in whatever process they ran."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _Row] = {}
        self._gaps: dict[tuple[str, str, str], _Gaps] = {}

    def add(self, test: str, flows: Iterable[ExercisedFlow]) -> None:
        """Add the flows of one test."""
        for each in flows:
            key = key_of(each["flow"]), each["kind"] or each["outcome"]
            row = self._rows.setdefault(key, _Row(each["flow"], each["outcome"], each["kind"]))
            row.tests[test] = None
            row.events += each["events"]
            if each["allowed"]:
                row.allowed[each["allowed"]] = None

    def add_gaps(self, test: str, counts: Iterable[tuple[str, str, str, int]]) -> None:
        """Add what integrations saw in one test and could not state as an event."""
        for integration, kind, name, number in counts:
            found = self._gaps.setdefault((integration, kind, name), _Gaps())
            found.tests[test] = None
            found.number += number

    def lines(self) -> list[str]:
        """Return a line for each flow, a summary, and the gaps; nothing if there is none."""
        gaps = [
            f"gap: {integration}, {kind} of {name}: {_number(found.number, 'access', 'es')} "
            f"in {_counted(found.tests, 'test')}"
            for (integration, kind, name), found in sorted(self._gaps.items())
        ]
        return [*self._flow_lines(), *gaps]

    def _flow_lines(self) -> list[str]:
        if not self._rows:
            return []
        rows = self._sorted()
        width = max(len(row.kind or row.outcome) for row in rows)
        lines = []
        for row in rows:
            counts = f"{_counted(row.tests, 'test')}, {_number(row.events, 'event')}"
            reasons = "".join(f"; allowed: {reason}" for reason in row.allowed)
            verdict = (row.kind or row.outcome).ljust(width)
            lines.append(f"{verdict}  {described(row.flow)}  ({counts}{reasons})")
        outcomes = Counter(row.outcome for row in rows)
        parts = [
            _number(number, outcome) if outcome == "violation" else f"{number} {outcome}"
            for outcome, number in sorted(outcomes.items())
        ]
        return [*lines, f"{_number(len(rows), 'distinct flow')}: {', '.join(parts)}"]

    def write(self, path: Path) -> None:
        """Write the same as JSON."""
        flows = [
            {
                "flow": row.flow,
                "outcome": row.outcome,
                "kind": row.kind,
                "events": row.events,
                "tests": sorted(row.tests),
                "allowed": list(row.allowed),
            }
            for row in self._sorted()
        ]
        gaps = [
            {
                "integration": integration,
                "kind": kind,
                "name": name,
                "accesses": found.number,
                "tests": sorted(found.tests),
            }
            for (integration, kind, name), found in sorted(self._gaps.items())
        ]
        report = {"flows": flows, "gaps": gaps}
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")

    def _sorted(self) -> list[_Row]:
        """Return what is not permitted first, then in the order of the text."""
        return sorted(
            self._rows.values(),
            key=lambda row: (row.outcome == "permitted", row.kind or "", described(row.flow)),
        )


def _counted(things: Mapping[str, None], noun: str) -> str:
    return _number(len(things), noun)


def _number(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
