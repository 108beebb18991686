"""The declared policies: their statements, and how often each decided."""

from collections.abc import Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_policy import Dimension, Kind, Policy, Statement
from purposewatch_policy.languages import explanation_texts, retention_words
from purposewatch_reporter.findings.queries.finding_page import with_triage
from purposewatch_reporter.flows.counted import NEAREST_MISS, statements
from purposewatch_reporter.shadow.candidates import candidates
from purposewatch_reporter.store.tables import findings
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.request_context import PageError, RequestContext

_UNDECLARED = [str(kind) for kind in Kind if str(kind).startswith("undeclared_")]
_MOST = 25


class Amount(NamedTuple):
    """Decisions, and the accesses that the events decided about stand for."""

    decisions: int
    accesses: int


async def _counts(
    connection: AsyncConnection,
) -> dict[tuple[str, str], dict[str, dict[str, Amount]]]:
    found: dict[tuple[str, str], dict[str, dict[str, Amount]]] = {}
    by = (statements.c[name] for name in ("controller", "version", "statement", "outcome"))
    sums = (cast(func.sum(statements.c[name]), BigInteger) for name in ("count", "accesses"))
    for controller, version, statement, outcome, *amount in await connection.execute(
        select(*by, *sums).group_by(*statements.c[:4])
    ):
        of_policy = found.setdefault((controller, version), {})
        of_policy.setdefault(statement, {})[outcome] = Amount(*amount)
    return found


async def show_policies(context: RequestContext) -> Response:
    """Every version of every policy, and what is in shadow mode."""
    app = context.app
    async with app.database.reading() as connection:
        counts = await _counts(connection)
    rows = []
    for policy in app.declared.policies():
        used = counts.get((policy.controller, policy.version), {})
        decided = _sum(_decided(by_outcome) for by_outcome in used.values())
        unused = [
            each for each in policy.statements if not _decided(used.get(each.id, {})).decisions
        ]
        rows.append((policy, _is_in_force(app, policy), decided, len(unused)))
    return context.html(
        "policies.html",
        rows=rows,
        tried=candidates(app.declared.current, app.clock()),
        is_invalid=app.declared.is_invalid,
    )


async def show_policy(context: RequestContext) -> Response:
    """One version with its statements."""
    app = context.app
    asked = context.request.path_params
    policy = app.declared.policy(asked["controller"], asked["version"])
    if policy is None:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    async with app.database.reading() as connection:
        counts = (await _counts(connection)).get((policy.controller, policy.version), {})
        undeclared = await _undeclared(connection, policy.controller)
    unused = [each for each in policy.statements if not _decided(counts.get(each.id, {})).decisions]
    return context.html(
        "policy.html",
        policy=policy,
        in_force=_is_in_force(app, policy),
        terms=_terms,
        retention=partial(retention_words, texts=explanation_texts(context.texts.language)),
        counts=counts,
        unused=unused,
        undeclared=undeclared,
        most=max((_decided(each).decisions for each in counts.values()), default=0),
        decided=_decided,
    )


def _is_in_force(app: WebApp, policy: Policy) -> bool:
    compiled = app.declared.current.in_force(policy.controller, app.clock())
    return compiled is not None and compiled.policy.version == policy.version


def _terms(policy: Policy, statement: Statement) -> dict[str, tuple[str, ...]]:
    """The terms that a statement names itself in each dimension that it restricts."""
    by_group = {
        (group.dimension, term)
        for name in statement.defined_terms
        for group in [policy.defined_terms[name]]
        for term in group.terms
    }
    named = {
        str(dimension): tuple(
            each for each in statement.terms(dimension) or () if (dimension, each) not in by_group
        )
        for dimension in Dimension
        if dimension not in (Dimension.RETENTION, Dimension.FACTS)
    }
    return {dimension: terms for dimension, terms in named.items() if terms}


def _decided(by_outcome: Mapping[str, Amount]) -> Amount:
    return _sum(amount for outcome, amount in by_outcome.items() if outcome != NEAREST_MISS)


def _sum(amounts: Iterable[Amount]) -> Amount:
    listed = list(amounts)
    return Amount(sum(each.decisions for each in listed), sum(each.accesses for each in listed))


async def _undeclared(connection: AsyncConnection, controller: str) -> list[Mapping[str, Any]]:
    """The flows that happen most and that no statement declares."""
    query = (
        with_triage()
        .where(findings.c.controller == controller, findings.c.kind.in_(_UNDECLARED))
        .order_by(findings.c.count.desc(), findings.c.fingerprint)
        .limit(_MOST)
    )
    rows = await connection.execute(query)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name
