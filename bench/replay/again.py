"""What reading the verdicts again and deciding each costs, without fetching them."""

import time
from datetime import UTC, datetime

from pydantic import TypeAdapter

from bench.replay.filling import make_flows
from purposewatch_contract import VERDICT_SCHEMA, Position, Verdict
from purposewatch_contract.codec import FastVerdictCodec
from purposewatch_policy import CategoryDecision, PolicySet, decide_under
from purposewatch_reporter.what_if.known_facts import decide_as_recorded

FLOWS = 5_000
READ = 50_000
AT = datetime(2026, 3, 1, tzinfo=UTC)

_CATEGORIES = TypeAdapter(tuple[CategoryDecision, ...])


def seconds_of_deciding_again(policies: PolicySet, controller: str) -> float:
    """The CPU seconds that a million events take, by what some of them take."""
    policy = policies.versions(controller)[-1]
    values = []
    for number, each in enumerate(make_flows(policy, FLOWS, FLOWS)):
        terms, ledger = each.decided.flow.terms, each.decided.flow.ledger
        decision = decide_under(terms, policy, ledger)
        data = {name: value for name, value in _plain(terms).items() if value not in (None, {})}
        verdict = {
            "dataschema": VERDICT_SCHEMA,
            "position": Position(topic="data-access.events", partition=0, offset=number),
            "origin": "http",
            "event_id": f"e-{number}",
            "event_source": "/bench",
            "event_time": AT,
            "accepted_time": AT,
            "decided_time": AT,
            "publisher": each.publisher,
            "content_digest": "0" * 32,
            "data": {**data, "subject": f"psn:1:{number:032x}"},
            "outcome": decision.outcome,
            "kind": decision.kind,
            "policy": {"version": decision.policy_version, "digest": decision.policy_digest},
            "categories": _CATEGORIES.dump_python(decision.categories, mode="json"),
            "facts": [{"fact": fact, "value": value} for fact, value in ledger.items()],
        }
        message = Verdict.model_validate(verdict, strict=False)
        values.append(message.model_dump_json(exclude_unset=True).encode())
    codec = FastVerdictCodec()
    begun = time.process_time()
    for number in range(READ):
        read = codec.decode(values[number % FLOWS])
        decide_as_recorded(read.data, policy, {each.fact: each.value for each in read.facts})
    return (time.process_time() - begun) * 1_000_000 / READ


def _plain(terms: object) -> dict[str, object]:
    return {name: getattr(terms, name) for name in terms.__struct_fields__}  # type: ignore[attr-defined]
