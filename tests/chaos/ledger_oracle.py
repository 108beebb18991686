"""The ledger that must result from the events, the decisions and the order of the verdicts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from purposewatch_contract import EVENTS, RAW, topic_name
from purposewatch_policy import Outcome
from tests.chaos.evidence import FLOW_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from purposewatch_contract import CanonicalEvent
    from tests.chaos.audit_oracle import Audited
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import LedgerFound, Position
    from tests.chaos.ingest_oracle import Passed

_NO_KIND = "none"
_DIMENSIONS = ("role", "data_category", "purpose", "recipient")


def check_ledger(
    passed: Passed, audited: Audited, found: LedgerFound, prefix: str, differences: Differences
) -> Counter[str]:
    """Compare the database with what it must hold; return the expected numbers."""
    new, conflicts, ledger = _first_uses(passed, audited)
    for position in passed.strays:
        ledger[position[0], "dead letters"] += 1
    names = ("verdicts", "dead letters", "duplicates", "conflicts")
    stored = {
        (partition, name): number
        for partition, numbers in found.ledger.items()
        for name, number in zip(names, numbers, strict=True)
        if number
    }
    differences.compare("ledger", ledger, stored)
    _check_first_uses(new, passed, found, differences)
    _check_hours(new, passed, audited, found, differences)
    _check_flows(new, passed, audited, found, differences)
    _check_violations(new, passed, audited, found, differences)
    differences.compare_sets(
        "id conflict",
        [(*position, passed.events[position].id) for position in conflicts],
        found.conflicts,
    )
    topics = {"ingest": topic_name(prefix, RAW), "auditor": topic_name(prefix, EVENTS)}
    differences.compare_sets(
        "dead letter in the ledger",
        [
            (topics[consumer], *position, consumer, str(letter.error_class))
            for (consumer, position), letter in passed.letters.items()
        ],
        found.dead_letters,
    )
    return Counter(
        {
            "events": len(passed.events) + len(passed.strays),
            "counted": len(new),
            "accesses": sum(passed.events[position].data.count for position in new),
            "duplicates": sum(n for (_, name), n in ledger.items() if name == "duplicates"),
            "conflicts": len(conflicts),
            "violations": sum(
                audited.decisions[position].outcome is not Outcome.PERMITTED for position in new
            ),
            "dead letters": len(passed.letters),
        }
    )


def _first_uses(
    passed: Passed, audited: Audited
) -> tuple[list[Position], list[Position], Counter[Any]]:
    """Separate first uses of ids from repeats, as the ledger does: in the order of the verdicts.

    Equal ids are about the same subject here, so that they are all in one partition, and no two
    partitions can disagree about who was first.
    """
    first: dict[bytes, str] = {}
    new: list[Position] = []
    conflicts: list[Position] = []
    ledger: Counter[Any] = Counter()
    for position in audited.order:
        event = passed.events.get(position)
        if event is None:  # a verdict without an event; reported already
            continue
        ledger[position[0], "verdicts"] += 1
        name = _id_hash(event)
        if name not in first:
            first[name] = event.contentdigest
            new.append(position)
        elif first[name] == event.contentdigest:
            ledger[position[0], "duplicates"] += 1
        else:
            ledger[position[0], "conflicts"] += 1
            conflicts.append(position)
    return new, conflicts, ledger


def _check_first_uses(
    new: list[Position], passed: Passed, found: LedgerFound, differences: Differences
) -> None:
    """Check that each id is recorded once, with the position and the content that came first."""
    names = {_id_hash(passed.events[position]): position for position in new}
    expected = {
        _shown(passed.events[position]): (*position, passed.events[position].contentdigest)
        for position in new
    }
    stored = {}
    for name, digest, partition, offset in found.event_ids:
        position = names.get(name)
        shown = _shown(passed.events[position]) if position else name.hex()
        stored[shown] = (partition, offset, digest.hex())
    differences.compare("recorded event", expected, stored)


def _check_hours(
    new: list[Position],
    passed: Passed,
    audited: Audited,
    found: LedgerFound,
    differences: Differences,
) -> None:
    verdicts: dict[Any, tuple[int, int]] = {}
    categories: dict[Any, tuple[int, int]] = {}
    by_dimension: dict[Any, tuple[int, int]] = {}
    for position in new:
        event, decision = passed.events[position], audited.decisions[position]
        data = event.data
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        outcome, kind = str(decision.outcome), str(decision.kind or _NO_KIND)
        _add(verdicts, (hour, data.controller, event.publisher, outcome, kind), data.count)
        for each in decision.categories:
            flow = (data.role, each.data_category, data.purpose, data.recipient)
            verdict = (str(each.outcome), str(each.kind or _NO_KIND))
            _add(categories, (hour, data.controller, *flow, *verdict), data.count)
            for name, value in zip(_DIMENSIONS, flow, strict=True):
                _add(by_dimension, (name, hour, data.controller, value, *verdict), data.count)
    differences.compare("events of an hour", verdicts, found.events)
    differences.compare("decisions of an hour", categories, found.decisions)
    differences.compare("events as summed", verdicts, found.event_sums)
    differences.compare("decisions as summed", by_dimension, found.decision_sums)


def _check_flows(
    new: list[Position],
    passed: Passed,
    audited: Audited,
    found: LedgerFound,
    differences: Differences,
) -> None:
    """Check that each distinct flow is there with exact counts, in the hours and in the totals."""
    flows: dict[Any, tuple[int, int]] = {}
    for position in new:
        event, decision = passed.events[position], audited.decisions[position]
        data = event.data
        stated = tuple(getattr(data, name) for name in FLOW_COLUMNS[:-3])
        texts = (sorted(data.data_categories), data.facts, audited.facts[position])
        policy = (decision.policy_version, decision.policy_digest)
        verdict = (str(decision.outcome), str(decision.kind or _NO_KIND))
        key = (*stated, *map(_json, texts), *policy, *verdict, event.publisher)
        _add(flows, key, data.count)
    differences.compare("events of a flow", flows, found.flows)
    differences.compare("events of a flow in all", flows, found.flow_totals)


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _add(counts: dict[Any, tuple[int, int]], key: Any, accesses: int) -> None:
    events, before = counts.get(key, (0, 0))
    counts[key] = (events + 1, before + accesses)


def _check_violations(
    new: list[Position],
    passed: Passed,
    audited: Audited,
    found: LedgerFound,
    differences: Differences,
) -> None:
    expected = []
    for position in new:
        event, decision = passed.events[position], audited.decisions[position]
        if decision.outcome is not Outcome.PERMITTED:
            kind = str(decision.kind) if decision.kind else None
            verdict = (str(decision.outcome), kind, decision.policy_version)
            expected.append((*position, event.id, *verdict, event.data.count))
    differences.compare_sets("violation", expected, found.violations)


def as_numbers(expected: Mapping[str, int]) -> str:
    """The expected numbers in one line."""
    return ", ".join(f"{number:,} {what}" for what, number in expected.items())


def _id_hash(event: CanonicalEvent) -> bytes:
    """The ledger's hash of an id, computed independently of the product."""
    return hashlib.blake2b(f"{event.source}\0{event.id}".encode(), digest_size=16).digest()


def _shown(event: CanonicalEvent) -> str:
    return f"{event.source} {event.id}"
