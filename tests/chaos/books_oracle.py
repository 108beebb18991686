"""What the books must hold, given the events, the decisions and the order of the verdicts."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from purposewatch_contract import EVENTS, RAW, topic_name
from purposewatch_policy import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from purposewatch_contract import CanonicalEvent
    from tests.chaos.audit_oracle import Audited
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import BooksFound, Place
    from tests.chaos.gate_oracle import Passed

_NO_KIND = "none"


def check_books(
    passed: Passed, audited: Audited, found: BooksFound, prefix: str, differences: Differences
) -> Counter[str]:
    """Hold the database against what it must hold; return the expected numbers."""
    new, conflicts, ledger = _sort(passed, audited)
    for place in passed.strays:
        ledger[place[0], "dead letters"] += 1
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
    _check_violations(new, passed, audited, found, differences)
    differences.compare_sets(
        "id conflict",
        [(*place, passed.events[place].id) for place in conflicts],
        found.conflicts,
    )
    topics = {"ingest": topic_name(prefix, RAW), "auditor": topic_name(prefix, EVENTS)}
    differences.compare_sets(
        "dead letter in the books",
        [
            (topics[consumer], *place, consumer, str(letter.error_class))
            for (consumer, place), letter in passed.letters.items()
        ],
        found.dead_letters,
    )
    return Counter(
        {
            "events": len(passed.events) + len(passed.strays),
            "counted": len(new),
            "duplicates": sum(n for (_, name), n in ledger.items() if name == "duplicates"),
            "conflicts": len(conflicts),
            "violations": sum(
                audited.decisions[place].outcome is not Outcome.PERMITTED for place in new
            ),
            "dead letters": len(passed.letters),
        }
    )


def _sort(passed: Passed, audited: Audited) -> tuple[list[Place], list[Place], Counter[Any]]:
    """Tell first uses of ids from repeats, as the books do: in the order of the verdicts.

    Equal ids are about the same subject here, so that they are all in one partition, and no two
    partitions can disagree about who was first.
    """
    first: dict[bytes, str] = {}
    new: list[Place] = []
    conflicts: list[Place] = []
    ledger: Counter[Any] = Counter()
    for place in audited.order:
        event = passed.events.get(place)
        if event is None:  # a verdict about no event; reported already
            continue
        ledger[place[0], "verdicts"] += 1
        name = _id_hash(event)
        if name not in first:
            first[name] = event.contentdigest
            new.append(place)
        elif first[name] == event.contentdigest:
            ledger[place[0], "duplicates"] += 1
        else:
            ledger[place[0], "conflicts"] += 1
            conflicts.append(place)
    return new, conflicts, ledger


def _check_first_uses(
    new: list[Place], passed: Passed, found: BooksFound, differences: Differences
) -> None:
    """Event by event: each id is booked once, for the place and the content that came first."""
    names = {_id_hash(passed.events[place]): place for place in new}
    expected = {
        _shown(passed.events[place]): (*place, passed.events[place].contentdigest) for place in new
    }
    stored = {}
    for name, digest, partition, offset in found.event_ids:
        place = names.get(name)
        shown = _shown(passed.events[place]) if place else name.hex()
        stored[shown] = (partition, offset, digest.hex())
    differences.compare("booked event", expected, stored)


def _check_hours(
    new: list[Place],
    passed: Passed,
    audited: Audited,
    found: BooksFound,
    differences: Differences,
) -> None:
    verdicts: Counter[Any] = Counter()
    categories: Counter[Any] = Counter()
    for place in new:
        event, decision = passed.events[place], audited.decisions[place]
        data = event.data
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        outcome, kind = str(decision.outcome), str(decision.kind or _NO_KIND)
        verdicts[hour, data.controller, event.publisher, outcome, kind] += 1
        for each in decision.categories:
            flow = (data.role, each.data_category, data.purpose, data.recipient)
            verdict = (str(each.outcome), str(each.kind or _NO_KIND))
            categories[(hour, data.controller, *flow, *verdict)] += 1
    differences.compare("events of an hour", verdicts, found.hourly_verdicts)
    differences.compare("decisions of an hour", categories, found.hourly_counts)


def _check_violations(
    new: list[Place],
    passed: Passed,
    audited: Audited,
    found: BooksFound,
    differences: Differences,
) -> None:
    expected = []
    for place in new:
        event, decision = passed.events[place], audited.decisions[place]
        if decision.outcome is not Outcome.PERMITTED:
            kind = str(decision.kind) if decision.kind else None
            verdict = (str(decision.outcome), kind, decision.policy_version)
            expected.append((*place, event.id, *verdict))
    differences.compare_sets("violation", expected, found.violations)


def as_numbers(expected: Mapping[str, int]) -> str:
    """The expected numbers in one line."""
    return ", ".join(f"{number:,} {what}" for what, number in expected.items())


def _id_hash(event: CanonicalEvent) -> bytes:
    """The books' name for an id; written down here again, for an oracle of its own."""
    return hashlib.blake2b(f"{event.source}\0{event.id}".encode(), digest_size=16).digest()


def _shown(event: CanonicalEvent) -> str:
    return f"{event.source} {event.id}"
