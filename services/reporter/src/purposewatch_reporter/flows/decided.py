"""What the flow ledger holds about a verdict. Pure."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from purposewatch_contract import FLOW_DIGEST_SIZE, flow_digest
from purposewatch_contract.codec import DecodedVerdict, Flow, FlowDecision
from purposewatch_reporter.flows.flow import OTHER, DecidedCategory, LedgerFlow
from purposewatch_reporter.store.storable import storable

LedgerFacts: TypeAlias = tuple[tuple[str, bool | None], ...]
"""Facts that systems answer for, and the values that a verdict used."""


class FlowKey(NamedTuple):
    """What verdicts agree in whose flows and decisions are the same: compared quickly."""

    decision: FlowDecision
    ledger: LedgerFacts


class DecidedFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow and a decision about it, as they are stored."""

    flow: LedgerFlow
    version: str | None
    digest: str | None
    outcome: str
    kind: str | None
    categories: tuple[DecidedCategory, ...]
    counts_events: bool = True
    counts_categories: bool = True

    @property
    def id(self) -> bytes:
        """128 bits that identify the content: a rebuilt ledger gives the same."""
        content = (
            self.flow.id.hex(),
            self.version,
            self.digest,
            self.outcome,
            self.kind,
            self.categories,
            self.counts_events,
            self.counts_categories,
        )
        return _hashed(content)


def ledger_facts(verdict: DecodedVerdict) -> LedgerFacts:
    """The values that the verdict used of facts that systems answer for."""
    return tuple((each.fact, each.value) for each in verdict.facts)


def key_of(verdict: DecodedVerdict) -> FlowKey:
    """What the verdict's flow and decision are found by."""
    return FlowKey(verdict.flow_decision, ledger_facts(verdict) if verdict.facts else ())


def decided_flow(verdict: DecodedVerdict) -> DecidedFlow:
    """What is stored about a verdict whose flow has a row of its own."""
    ledger = dict(ledger_facts(verdict))
    data = verdict.data
    terms = msgspec.structs.replace(data, data_categories=tuple(sorted(data.data_categories)))
    categories = (
        DecidedCategory(
            storable(each.data_category),
            str(each.outcome),
            None if each.kind is None else str(each.kind),
            None if each.statement is None else storable(each.statement),
            each.is_nearest_miss,
        )
        for each in verdict.categories
    )
    # INVARIANT: a row for each data category at most, whatever wrote the verdict
    distinct = {each.data_category: each for each in categories}
    policy = verdict.policy
    return DecidedFlow(
        LedgerFlow(flow_digest(terms, ledger), terms, ledger),
        None if policy is None else storable(policy.version),
        None if policy is None else storable(policy.digest),
        str(verdict.outcome),
        None if verdict.kind is None else str(verdict.kind),
        tuple(distinct[category] for category in sorted(distinct)),
    )


def other_flow(controller: str) -> LedgerFlow:
    """The flow that stands for all of a controller beyond the limit."""
    terms = Flow(controller, OTHER, OTHER, OTHER, OTHER, ())
    return LedgerFlow(_hashed((OTHER, controller)), terms, is_other=True)


def as_other(decided: DecidedFlow) -> Sequence[tuple[DecidedFlow, int]]:
    """What a verdict adds to `(other)`: to which decisions, and how many to each.

    The first counts the event, the others its decisions about data categories. So there are no more
    of them than outcomes, kinds and statements, however many flows there are.
    """
    flow = other_flow(decided.flow.terms.controller)
    event = msgspec.structs.replace(decided, flow=flow, categories=(), counts_categories=False)
    found = Counter(
        msgspec.structs.replace(each, data_category=OTHER) for each in decided.categories
    )
    of_categories = (
        (
            DecidedFlow(
                flow,
                decided.version,
                decided.digest,
                each.outcome,
                each.kind,
                (each,),
                counts_events=False,
            ),
            number,
        )
        for each, number in found.items()
    )
    return ((event, 1), *of_categories)


def _hashed(content: object) -> bytes:
    text = msgspec.json.encode(content)
    return hashlib.blake2b(text, digest_size=FLOW_DIGEST_SIZE).digest()
