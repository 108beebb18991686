"""What is counted: pure, from verdicts to increments of the flow ledger's counts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from purposewatch_reporter.flows.decided import FlowKey, ledger_facts
from purposewatch_reporter.flows.record import Count, Place
from purposewatch_reporter.ledger.read import ReadVerdict

CountKey: TypeAlias = tuple[datetime, bytes, str]
"""Hour, decision, publisher."""


class VerdictGroup(NamedTuple):
    """Verdicts that agree in everything that is counted by: one of them, and how many."""

    read: ReadVerdict
    key: FlowKey
    number: int
    accesses: int
    """The sum of the events' counts."""
    first_time: datetime
    """The earliest of the events' times; `last_time`, the latest."""
    last_time: datetime
    reads: Sequence[ReadVerdict]
    """All of them."""


def group_by_flow(verdicts: Iterable[ReadVerdict]) -> Sequence[VerdictGroup]:
    """Put together what is counted alike: equal decisions about equal flows in the same hour."""
    groups: dict[tuple[Any, ...], list[ReadVerdict]] = {}
    for read in verdicts:
        verdict = read.verdict
        time = verdict.event_time
        ledger = ledger_facts(verdict) if verdict.facts else ()
        group = (time.toordinal(), time.hour, verdict.publisher, verdict.flow_decision, ledger)
        equal = groups.get(group)
        if equal is None:
            groups[group] = [read]
        else:
            equal.append(read)
    return tuple(_group(FlowKey(*key[-2:]), equal) for key, equal in groups.items())


def _group(key: FlowKey, equal: Sequence[ReadVerdict]) -> VerdictGroup:
    times = [read.verdict.event_time for read in equal]
    accesses = sum([read.verdict.count for read in equal])
    return VerdictGroup(equal[0], key, len(equal), accesses, min(times), max(times), equal)


def tally(groups: Iterable[VerdictGroup], places: Mapping[FlowKey, Place]) -> dict[CountKey, Count]:
    """Count verdicts about events that were not counted before, by the hour of the event."""
    counted: dict[CountKey, Count] = {}
    for group in groups:
        hour = group.first_time.replace(minute=0, second=0, microsecond=0)
        publisher = group.read.verdict.publisher
        for decision, times in places[group.key].decisions:
            key = (hour, decision, publisher)
            count = Count(
                times * group.number, times * group.accesses, group.first_time, group.last_time
            )
            before = counted.get(key)
            if before is None:
                counted[key] = count
            else:
                before.add(count)
    return counted
