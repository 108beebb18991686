"""The effects of a policy as a file."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

from purposewatch_reporter.findings.queries.export import BYTE_ORDER_MARK, safe_cell
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.answering import Answer
from purposewatch_reporter.what_if.details import read_effects
from purposewatch_reporter.what_if.shown import ShownDecision, ShownEffect, shown_effect
from purposewatch_reporter.what_if.subjects import count_subjects

_FLOW = (
    "controller",
    "role",
    "operation",
    "data_categories",
    "purpose",
    "recipient",
    "source",
    "location",
    "retention_days",
    "legal_basis",
    "facts",
    "ledger_facts",
)
COLUMNS = (
    "change",
    "events",
    "accesses",
    "subjects",
    "first_time",
    "last_time",
    "publishers",
    *_FLOW,
    "before",
    "before_statements",
    "before_versions",
    "after",
    "after_statements",
    "missing_facts",
    "flow",
)


async def shown_effects(database: Transactions, answer: Answer) -> AsyncIterator[list[ShownEffect]]:
    """All effects, some at a time."""
    what_if, since, until = answer.what_if, answer.since, answer.until
    found = read_effects(database, what_if, what_if.effects, since=since, until=until)
    async for some in found:
        async with database.reading() as connection:
            subjects = await count_subjects(connection, some, since=since, until=until)
        yield list(map(shown_effect, some, subjects))


async def json_lines(database: Transactions, answer: Answer) -> AsyncIterator[str]:
    """JSON Lines, one effect each."""
    async for effects in shown_effects(database, answer):
        yield "".join(f"{each.model_dump_json()}\n" for each in effects)


async def csv_lines(database: Transactions, answer: Answer) -> AsyncIterator[str]:
    """CSV, one effect a line; several values are separated by spaces."""
    yield BYTE_ORDER_MARK + _csv([COLUMNS])
    async for effects in shown_effects(database, answer):
        yield _csv([[safe_cell(value) for value in _row(each)] for each in effects])


def _row(effect: ShownEffect) -> list[Any]:
    flow = effect.flow
    values: dict[str, Any] = {
        **effect.model_dump(include=set(COLUMNS), mode="json"),
        **flow.model_dump(include=set(_FLOW)),
        "publishers": " ".join(effect.publishers),
        "data_categories": " ".join(flow.data_categories),
        "facts": _facts(flow.facts),
        "ledger_facts": _facts(flow.ledger_facts),
        "before": _result(effect.before),
        "before_statements": _statements(effect.before),
        "before_versions": " ".join(effect.before.versions),
        "after": "" if effect.after is None else _result(effect.after),
        "after_statements": "" if effect.after is None else _statements(effect.after),
        "missing_facts": " ".join(effect.missing_facts),
        "flow": flow.id,
    }
    return [values[name] for name in COLUMNS]


def _facts(facts: dict[str, bool] | dict[str, bool | None]) -> str:
    words = {True: "true", False: "false", None: "unstated"}
    return " ".join(f"{fact}={words[value]}" for fact, value in facts.items())


def _result(decided: ShownDecision) -> str:
    return decided.kind or str(decided.outcome)


def _statements(decided: ShownDecision) -> str:
    """The statements; those that only come nearest with a question mark."""
    named = {
        f"{each.statement}{'?' if each.is_nearest_miss else ''}": None
        for each in decided.categories
        if each.statement
    }
    return " ".join(named)


def _csv(lines: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()
