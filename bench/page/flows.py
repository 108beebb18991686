"""Generates violations with a realistic skew, the same at each run."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from purposewatch_policy import Kind
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import Severity

FLOWS = 4_000
DAYS = 180
UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)

_MOST_CATEGORIES = 6


@dataclass
class Flow:
    """A flow that is a violation again and again, in some stretch of time."""

    group: Group
    severity: Severity
    operation: str
    statement: str
    start: float
    length: float


def make_flows(chance: random.Random) -> list[Flow]:
    """Different flows; few of them are steady, many come and go."""
    kinds = [str(kind) for kind in Kind] + ["unknown"]
    flows: dict[Group, Flow] = {}
    while len(flows) < FLOWS:
        controller = chance.choice(["wework-labs"] * 3 + ["linggan-house"])
        group = Group(
            controller=controller,
            role=f"role_{_skewed(chance, 8)}",
            kind=kinds[_skewed(chance, len(kinds))],
            data_category=f"user.category_{_skewed(chance, 60)}",
            purpose=f"purpose_{_skewed(chance, 40)}",
            recipient=f"third_party.recipient_{_skewed(chance, 15)}",
            publisher=f"{controller[:2]}-publisher-{_skewed(chance, 25)}",
        )
        steady = chance.random() < 0.2
        flows[group] = Flow(
            group,
            list(Severity)[(len(group.kind) + len(group.recipient)) % len(Severity)],
            chance.choices(["use", "collect", "store", "share", "erase"], [60, 20, 12, 7.9, 0.1])[
                0
            ],
            f"statement.{_skewed(chance, 120)}",
            0.0 if steady else chance.random() * 0.98,
            1.0 if steady else 0.001 + chance.random() ** 3 * 0.3,
        )
    return list(flows.values())


def _skewed(chance: random.Random, size: int) -> int:
    return min(size - 1, int(chance.paretovariate(0.9)) - 1)


def rows_of(
    flows: list[Flow], count: int, chance: random.Random
) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
    """Violations with their categories; a few flows make up most of them."""
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(flows))))
    siblings: dict[tuple[str, ...], list[Flow]] = {}
    for flow in flows:
        siblings.setdefault(_same(flow.group), []).append(flow)
    for number in range(count):
        flow = chance.choices(flows, cum_weights=weights)[0]
        at = flow.start + flow.length * chance.random()
        when = UNTIL - timedelta(days=DAYS) * (1 - min(at, 1.0))
        parts = {flow.group.data_category: flow}
        for other in siblings[_same(flow.group)]:
            if len(parts) == _MOST_CATEGORIES:
                break
            if chance.random() < 0.3:
                parts.setdefault(other.group.data_category, other)
        worst = max((each.severity for each in parts.values()), key=lambda each: each.rank)
        name = f"{chance.getrandbits(128):032x}"
        group = flow.group
        unknown = group.kind == "unknown"
        summary = f"`{group.data_category}` may not be used for `{group.purpose}`. " * 2
        verdict = json.dumps({"categories": [], "note": summary * 5})
        violation = (
            name,
            "data-access.events",
            number % 6,
            number // 6,
            f"event-{number}",
            f"/{group.publisher}/path",
            when,
            when,
            "http",
            group.publisher,
            f"psn:1:{chance.randrange(40_000):032x}",
            group.controller,
            group.role,
            flow.operation,
            group.purpose,
            group.recipient,
            "unknown" if unknown else "violation",
            None if unknown else group.kind,
            chance.choices(["2", "1", "0"], [90, 9.99, 0.01])[0],
            flow.statement,
            "members.1",
            "omitted",
            summary,
            verdict,
            str(worst),
            False,
            1,
            None,
        )
        yield (
            violation,
            [
                (name, category, each.group.kind, each.group.fingerprint, when)
                for category, each in parts.items()
            ],
        )


def _same(group: Group) -> tuple[str, ...]:
    return (group.controller, group.role, group.purpose, group.recipient, group.publisher)
