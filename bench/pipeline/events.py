"""The events that everything is measured with: the demonstration's traffic, and only its good part.

Some violations, many repeated flows, four thousand subjects for each role: see
`purposewatch_demo.traffic`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from purposewatch_contract import SubmittedEvent
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.tally import Booked
from purposewatch_demo.traffic import Traffic
from purposewatch_ingest.admission.canonical import AdmittedEvent, write_canonical
from purposewatch_ingest.admission.pseudonym import Pseudonymiser

_SEED = 20260302
_LARGEST = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as a publisher sends it."""

    publisher: str
    body: bytes


def submitted(count: int) -> Iterator[Sent]:
    """The first so many events, as publishers send them: the same at every call but for times."""
    traffic = Traffic(planned_traffic(), seed=_SEED, largest=_LARGEST)
    now = datetime.now(UTC)
    made = 0
    while True:
        consignment = traffic.next(now)
        for item in consignment.items:
            if not isinstance(item.expected, Booked):
                continue
            if made == count:
                return
            made += 1
            yield Sent(consignment.publisher, item.body)


@cache
def canonical(count: int) -> tuple[AdmittedEvent, ...]:
    """The same events as the gate passes them on."""
    pseudonym = Pseudonymiser(b"bench" * 8, "1")
    now = datetime.now(UTC)
    admitted = []
    for sent in submitted(count):
        event = SubmittedEvent.model_validate_json(sent.body)
        admitted.append(
            write_canonical(
                event,
                publisher=sent.publisher,
                subject=pseudonym(event.data.controller, event.data.subject_id),
                accepted=now,
                origin="http",
                traceparent=None,
            )
        )
    return tuple(admitted)


def mean_size(events: tuple[AdmittedEvent, ...]) -> float:
    """Bytes of an event's value."""
    return sum(len(each.value) for each in events) / len(events)


def violations(count: int) -> float:
    """Share of the events whose flow the plan expects to violate a policy."""
    plan = planned_traffic()
    bad = {
        json.dumps(each.flow, sort_keys=True) for each in plan.flows if each.violates is not None
    }
    found = 0
    for sent in submitted(count):
        data = json.loads(sent.body)["data"]
        flow = {name: data[name] for name in data if name not in {"controller", "subject_id"}}
        found += json.dumps(flow, sort_keys=True) in bad
    return found / count
