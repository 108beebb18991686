"""The events of all measurements: the valid part of the demo's traffic.

Some violations, many repeated flows, four thousand subjects for each role: see
`purposewatch_demo.traffic`.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.tally import Recorded
from purposewatch_demo.traffic import Traffic
from purposewatch_ingest.admission import Admission, AdmittedEvent
from purposewatch_ingest.pseudonyms.derived import Pseudonymiser
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_policy import Outcome, PolicySet, decide, load_policies
from purposewatch_policy.vocabulary import load_vocabularies
from tests.harness.facts import policies_without_ledger

_SEED = 20260302
_LARGEST = 100
_POLICIES = Path(__file__).parents[2] / "policies"


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as a publisher sends it."""

    publisher: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Keyed:
    """A record of an event."""

    key: bytes
    value: bytes


def submitted(count: int) -> Iterator[Sent]:
    """The first so many events, as publishers send them: the same at every call but for times."""
    traffic = Traffic(planned_traffic(), seed=_SEED, largest=_LARGEST)
    now = datetime.now(UTC)
    made = 0
    while True:
        consignment = traffic.next(now)
        for item in consignment.items:
            if not isinstance(item.expected, Recorded):
                continue
            if made == count:
                return
            made += 1
            yield Sent(consignment.publisher, item.body)


@cache
def canonical(count: int) -> tuple[Keyed, ...]:
    """The same events as ingest passes them on."""
    vocabularies = load_vocabularies(_POLICIES)
    sent = list(submitted(count))
    publishers = {
        each.publisher: Publisher(each.publisher, frozenset(vocabularies)) for each in sent
    }
    rules = AdmissionRules(
        vocabularies, PublisherRegister([]), Pseudonymiser(b"bench" * 8, "1"), timedelta(hours=2)
    )
    batch = Admission().batch(rules, datetime.now(UTC))
    results = [
        batch.admit(each.body, origin="http", publisher=publishers[each.publisher]) for each in sent
    ]
    admitted = tuple(
        Keyed(result.key, result.value) for result in results if isinstance(result, AdmittedEvent)
    )
    assert len(admitted) == count  # noqa: S101 - only good events are generated
    return admitted


@cache
def believing_policies() -> PolicySet:
    """The project's policies, with every fact as its publisher claims it: no ledger is asked."""
    with tempfile.TemporaryDirectory() as directory:
        return load_policies(policies_without_ledger(Path(directory) / "policies"))


def mean_size(events: tuple[Keyed, ...]) -> float:
    """Bytes of an event's value."""
    return sum(len(each.value) for each in events) / len(events)


def violations(count: int) -> float:
    """Share of the events whose flow violates a policy, without any statement of facts."""
    plan, policies, now = planned_traffic(), load_policies(_POLICIES), datetime.now(UTC)
    bad = set()
    for each in plan.flows:
        flow = each.of(plan.publishers[each.publisher].controller)
        if decide(flow, each.at or now, policies, {}).outcome is not Outcome.PERMITTED:
            bad.add(json.dumps(each.flow, sort_keys=True))
    found = 0
    for sent in submitted(count):
        data = json.loads(sent.body)["data"]
        stated = {name: data[name] for name in data if name not in {"controller", "subject_id"}}
        found += json.dumps(stated, sort_keys=True) in bad
    return found / count
