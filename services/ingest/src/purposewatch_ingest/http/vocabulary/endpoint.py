"""`GET /v1/vocabulary/{controller}` and `.../search`: the terms that events may use."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request

from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.ingest import Ingest
from purposewatch_policy.vocabulary import (
    MAX_QUERY_LENGTH,
    NOUNS,
    MatchedField,
    TermEntry,
    TermMatch,
    Vocabulary,
    VocabularySearch,
)

MAX_FOUND = 50
DEFAULT_FOUND = 10


class TermAnswer(BaseModel):
    """One term."""

    term: str
    parent: str | None
    label: dict[str, str] = Field(description="Labels by language tag.")
    synonyms: dict[str, list[str]] = Field(description="Other words for it, by language tag.")
    description: dict[str, str] = Field(
        description="When to take this term and when another one, by language tag."
    )
    sensitive: bool


class VocabularyAnswer(BaseModel):
    """The effective vocabulary of one controller."""

    controller: str
    terms: dict[str, list[TermAnswer]] = Field(description="By dimension, for example `purposes`.")


class MatchAnswer(BaseModel):
    """The text by which a term was found."""

    field: MatchedField
    language: str | None = Field(description="The language of `text`; null for the term itself.")
    text: str


class FoundTermAnswer(TermAnswer):
    """A term that a query may mean."""

    dimension: str = Field(description="For example `purposes`.")
    score: float = Field(description="How well it matches, above 0 and at most 1.")
    matched: MatchAnswer


class SearchAnswer(BaseModel):
    """What a search found, the best match first."""

    controller: str
    terms: list[FoundTermAnswer]


class VocabularyEndpoint:
    """Shows publishers the vocabularies of their own controllers."""

    def __init__(self, ingest: Ingest, authenticator: Authenticator) -> None:
        self._ingest = ingest
        self._authenticator = authenticator
        self._indexed = ingest.vocabularies()
        self._searches: dict[str, VocabularySearch] = {}

    async def show(self, request: Request) -> VocabularyAnswer:
        """Return every term of the controller that the path names."""
        controller, vocabulary = await self._asked(request)
        return VocabularyAnswer(
            controller=controller,
            terms={
                name: [TermAnswer(**_term(vocabulary, name, entry)) for entry in taxonomy.values()]
                for name, taxonomy in vocabulary.taxonomies().items()
            },
        )

    async def search(self, request: Request) -> SearchAnswer:
        """Return the terms of the controller that the query may mean."""
        controller, vocabulary = await self._asked(request)
        query, dimension, limit = _search_parameters(request)
        index = await self._index(controller, vocabulary)
        matches = index.search(query, dimension=dimension, limit=limit)
        return SearchAnswer(
            controller=controller, terms=[_found(vocabulary, match) for match in matches]
        )

    async def _asked(self, request: Request) -> tuple[str, Vocabulary]:
        controller = request.path_params["controller"]
        publisher = await self._authenticator.publisher_of(request)
        vocabulary = self._ingest.vocabularies().get(controller)
        if vocabulary is None or controller not in publisher.controllers:
            # one answer for both: other controllers must not be revealed to the publisher
            detail = "the controller has no declared policy or is not among the publisher's"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        return controller, vocabulary

    async def _index(self, controller: str, vocabulary: Vocabulary) -> VocabularySearch:
        """Return the index of a vocabulary; the first search after a reload builds it.

        It is built beside the event loop, because a vocabulary may have thousands of terms.
        """
        current = self._ingest.vocabularies()
        if current is not self._indexed:
            self._indexed, self._searches = current, {}
        searches = self._searches
        if controller not in searches:
            searches[controller] = await asyncio.to_thread(VocabularySearch, vocabulary)
        return searches[controller]


def _search_parameters(request: Request) -> tuple[str, str | None, int]:
    """Return the query, the dimension and the limit. Problems never quote what was sent."""
    given = request.query_params
    query = given.get("q", "")
    if not 1 <= len(query) <= MAX_QUERY_LENGTH:
        message = f"`q` must have 1 to {MAX_QUERY_LENGTH} characters"
        raise ProblemError(ProblemKind.INVALID_QUERY, message)
    dimension = given.get("dimension")
    if dimension is not None and dimension not in NOUNS:
        message = f"`dimension` must be one of {', '.join(NOUNS)}"
        raise ProblemError(ProblemKind.INVALID_QUERY, message)
    limit = given.get("limit", str(DEFAULT_FOUND))
    if limit not in map(str, range(1, MAX_FOUND + 1)):
        message = f"`limit` must be a whole number from 1 to {MAX_FOUND}"
        raise ProblemError(ProblemKind.INVALID_QUERY, message)
    return query, dimension, int(limit)


def _term(vocabulary: Vocabulary, dimension: str, entry: TermEntry) -> dict[str, Any]:
    return {
        "term": entry.term,
        "parent": entry.parent,
        "label": dict(entry.label),
        "synonyms": {language: list(words) for language, words in entry.synonyms.items()},
        "description": dict(entry.description),
        "sensitive": vocabulary.taxonomies()[dimension].is_sensitive(entry.term),
    }


def _found(vocabulary: Vocabulary, match: TermMatch) -> FoundTermAnswer:
    return FoundTermAnswer(
        dimension=match.dimension,
        score=round(match.score, 3),
        matched=MatchAnswer(field=match.matched, language=match.language, text=match.text),
        **_term(vocabulary, match.dimension, match.entry),
    )
