"""Fills the flow ledger with distinct flows of one controller, and counts of many events."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Table, insert

from purposewatch_contract import flow_digest
from purposewatch_contract.codec import Flow
from purposewatch_policy import CompiledPolicy, Statement, decide_under, relevant_facts
from purposewatch_reporter.flows.decided import DecidedFlow
from purposewatch_reporter.flows.flow import DecidedCategory, LedgerFlow
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import (
    NO_KIND,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flow_totals,
    flows,
)

SEED = 5
DAYS = 90
HOURS = 24 * DAYS
PUBLISHERS = ("app", "risk", "collections", "partner-hub")
UNDECLARED = 0.1
"""The share of flows that no statement declares, as in the demonstration's traffic."""

_SKEW = 1.1
_BATCH = 5_000


@dataclass(frozen=True)
class Filled:
    """A flow with its decision and its number of events."""

    decided: DecidedFlow
    publisher: str
    events: int


def make_flows(policy: CompiledPolicy, count: int, events: int) -> list[Filled]:
    """Distinct flows as services have them: most are declared, and few make most of the events."""
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    made: dict[bytes, DecidedFlow] = {}
    while len(made) < count:
        decided = _decided(policy, _flow(chance, policy))
        made.setdefault(decided.flow.id, decided)
    weights = [1 / (rank + 20) ** _SKEW for rank in range(count)]
    scale = (events - count) / sum(weights)
    return [
        Filled(decided, chance.choice(PUBLISHERS), 1 + round(weight * scale))
        for decided, weight in zip(made.values(), weights, strict=True)
    ]


def _flow(chance: random.Random, policy: CompiledPolicy) -> Flow:
    statement = chance.choice(policy.policy.statements)
    vocabulary = policy.vocabulary

    def one(terms: tuple[str, ...] | None, among: Iterable[str]) -> str:
        return chance.choice(list(terms or among))

    categories = list(statement.data_categories)
    terms: dict[str, Any] = {
        "controller": policy.policy.controller,
        "role": one(statement.roles, vocabulary.roles),
        "operation": one(statement.operations, vocabulary.operations),
        "purpose": one(statement.purposes, vocabulary.purposes),
        "recipient": one(statement.recipients, vocabulary.recipients),
        "data_categories": tuple(
            sorted(chance.sample(categories, min(len(categories), chance.randint(1, 4))))
        ),
        "source": one(statement.sources, vocabulary.sources) if chance.random() < 0.7 else None,
        "location": chance.choice([None, *vocabulary.locations]),
        "retention_days": chance.choice([None, 30, 365]),
        "facts": _facts(statement),
    }
    if chance.random() < UNDECLARED:
        name = chance.choice(["purpose", "recipient"])
        terms[name] = one(None, vocabulary.taxonomies()[f"{name}s"])
    return Flow(**terms)


def _facts(statement: Statement) -> dict[str, bool]:
    return dict(sorted(statement.conditions()))


def _decided(policy: CompiledPolicy, terms: Flow) -> DecidedFlow:
    ledger = {fact: terms.facts.get(fact) for fact in relevant_facts(terms, policy)}
    decision = decide_under(terms, policy, ledger)
    return DecidedFlow(
        LedgerFlow(flow_digest(terms, ledger), terms, ledger),
        decision.policy_version,
        decision.policy_digest,
        str(decision.outcome),
        None if decision.kind is None else str(decision.kind),
        tuple(
            DecidedCategory(
                each.data_category,
                str(each.outcome),
                None if each.kind is None else str(each.kind),
                each.statement,
                each.is_nearest_miss,
            )
            for each in decision.categories
        ),
    )


async def fill(database: Database, filled: list[Filled], until: datetime) -> None:
    """Fill the tables, as recording all of the events would have."""
    began = until - timedelta(hours=HOURS)
    tables = (
        (flows, _flow_rows(filled, began)),
        (flow_decisions, _decision_rows(filled)),
        (flow_decision_categories, _category_rows(filled)),
        (flow_counts, _count_rows(filled, began)),
        (flow_totals, _total_rows(filled, began)),
    )
    for table, rows in tables:
        await _insert(database, table, rows)


async def _insert(database: Database, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    async with database.writing() as connection:
        while batch := list(islice(rows, _BATCH)):
            await connection.execute(insert(table), batch)


def _flow_rows(filled: list[Filled], began: datetime) -> Iterator[dict[str, Any]]:
    encode = msgspec.json.encode
    for each in filled:
        flow = each.decided.flow
        terms = flow.terms
        yield {
            "id": flow.id,
            "categories": encode(terms.data_categories).decode(),
            "facts": encode(terms.facts).decode(),
            "ledger_facts": encode(flow.ledger).decode(),
            "first_recorded_time": began,
            **{
                name: getattr(terms, name)
                for name in (
                    *("controller", "role", "operation", "purpose", "recipient"),
                    *("source", "location", "retention_days", "legal_basis"),
                )
            },
        }


def _decision_rows(filled: list[Filled]) -> Iterator[dict[str, Any]]:
    for each in filled:
        decided = each.decided
        yield {
            "id": decided.id,
            "flow_id": decided.flow.id,
            "version": decided.version,
            "digest": decided.digest,
            "outcome": decided.outcome,
            "kind": decided.kind or NO_KIND,
        }


def _category_rows(filled: list[Filled]) -> Iterator[dict[str, Any]]:
    for each in filled:
        for category in each.decided.categories:
            yield {
                "decision_id": each.decided.id,
                "data_category": category.data_category,
                "outcome": category.outcome,
                "kind": category.kind or NO_KIND,
                "statement": category.statement,
                "is_nearest_miss": category.is_nearest_miss,
            }


def _hours_of(each: Filled, chance: random.Random) -> list[int]:
    """In which hours its events happened: in as many as events that are dealt out at random hit."""
    hit = round(HOURS * (1 - (1 - 1 / HOURS) ** each.events))
    return chance.sample(range(HOURS), max(1, hit))


def _count_rows(filled: list[Filled], began: datetime) -> Iterator[dict[str, Any]]:
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    for each in filled:
        hours = _hours_of(each, chance)
        for number, hour in enumerate(hours):
            at = began + timedelta(hours=hour)
            count = each.events // len(hours) + (number < each.events % len(hours))
            yield {
                "hour": at,
                "decision_id": each.decided.id,
                "publisher": each.publisher,
                "count": count,
                "accesses": count,
                "first_time": at,
                "last_time": at + timedelta(minutes=59),
            }


def _total_rows(filled: list[Filled], began: datetime) -> Iterator[dict[str, Any]]:
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    for each in filled:
        hours = _hours_of(each, chance)
        yield {
            "decision_id": each.decided.id,
            "publisher": each.publisher,
            "count": each.events,
            "accesses": each.events,
            "first_time": began + timedelta(hours=min(hours)),
            "last_time": began + timedelta(hours=max(hours), minutes=59),
        }
