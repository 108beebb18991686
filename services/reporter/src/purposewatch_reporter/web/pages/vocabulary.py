"""The vocabulary of a controller: its terms as a tree, what speaks of them, and a search."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from purposewatch_policy import CompiledPolicy, Policy, TermUsage, UsedTerms
from purposewatch_policy.vocabulary import (
    MAX_QUERY_LENGTH,
    NOUNS,
    Taxonomy,
    TermEntry,
    TermMatch,
    Vocabulary,
)
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.pages.violations import read_query
from purposewatch_reporter.web.request_context import PageError, RequestContext

_FOUND = 20
_MOST_TERMS = 500
"""Terms of one tree that the page shows; a search finds the others."""
_MOST_STATEMENTS = 50
"""Statements that the page lists for a term."""


class VocabularyQuery(BaseModel):
    """What the address asks for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    controller: str | None = None
    q: Annotated[str, StringConstraints(max_length=MAX_QUERY_LENGTH, strip_whitespace=True)] = ""
    dimension: Literal[*NOUNS] | None = None  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class TermRow:
    """One term as the page shows it."""

    dimension: str
    entry: TermEntry
    depth: int
    is_sensitive: bool
    usage: TermUsage
    match: TermMatch | None = None


async def show_vocabulary(context: RequestContext) -> Response:
    """The terms of one controller, and what a search finds among them."""
    app = context.app
    asked = read_query(context, VocabularyQuery)
    controllers = app.declared.current.controllers
    controller = asked.controller or next(iter(controllers), None)
    if controller is None:
        return context.html("vocabulary.html", controllers=(), policy=None)
    if controller not in controllers:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    policy = _policy(app, controller).policy
    # beside the event loop, because a vocabulary may have thousands of terms
    found, trees = await asyncio.to_thread(_rows, app, policy, asked)
    sizes = {name: len(terms) for name, terms in _taxonomies(app, controller).items()}
    return context.html(
        "vocabulary.html",
        controllers=controllers,
        policy=policy,
        asked=asked,
        dimensions=tuple(NOUNS),
        found=found,
        trees=trees,
        sizes=sizes,
        most_statements=_MOST_STATEMENTS,
    )


def _rows(
    app: WebApp, policy: Policy, asked: VocabularyQuery
) -> tuple[list[TermRow], dict[str, list[TermRow]]]:
    """The terms that the query finds, and the first ones of each tree."""
    vocabulary = app.declared.current.vocabularies[policy.controller]
    used = UsedTerms(policy, vocabulary)
    index = app.declared.search(policy.controller)
    found = index.search(asked.q, dimension=asked.dimension, limit=_FOUND)
    wanted = tuple(NOUNS) if asked.dimension is None else (asked.dimension,)
    return (
        [_row(vocabulary, used, match.dimension, match.entry, match) for match in found],
        {
            dimension: [
                _row(vocabulary, used, dimension, entry)
                for entry in islice(_depth_first(vocabulary.taxonomies()[dimension]), _MOST_TERMS)
            ]
            for dimension in wanted
        },
    )


def _taxonomies(app: WebApp, controller: str) -> dict[str, Taxonomy]:
    return app.declared.current.vocabularies[controller].taxonomies()


def _policy(app: WebApp, controller: str) -> CompiledPolicy:
    """The version that is in force, else the latest."""
    policies = app.declared.current
    return policies.in_force(controller, app.clock()) or policies.versions(controller)[-1]


def _row(
    vocabulary: Vocabulary,
    used: UsedTerms,
    dimension: str,
    entry: TermEntry,
    match: TermMatch | None = None,
) -> TermRow:
    taxonomy = vocabulary.taxonomies()[dimension]
    return TermRow(
        dimension=dimension,
        entry=entry,
        depth=len(taxonomy.lineage(entry.term)) - 1,
        is_sensitive=taxonomy.is_sensitive(entry.term),
        usage=used.usage(dimension, entry.term),
        match=match,
    )


def _depth_first(taxonomy: Taxonomy) -> Iterator[TermEntry]:
    """The terms, each followed by those below it; of equals, the one declared first comes first."""
    below: dict[str | None, list[TermEntry]] = {}
    for entry in taxonomy.values():
        below.setdefault(entry.parent, []).append(entry)
    waiting = below.get(None, [])[::-1]
    while waiting:
        entry = waiting.pop()
        yield entry
        waiting.extend(reversed(below.get(entry.term, [])))
