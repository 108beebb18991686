"""The routes of vocabularies, and what the OpenAPI document says about them."""

from typing import Any

from fastapi import FastAPI

from purposewatch_ingest.http.description import BEARER, READING, problems
from purposewatch_ingest.http.problems import ProblemKind
from purposewatch_ingest.http.vocabulary.endpoint import (
    DEFAULT_FOUND,
    MAX_FOUND,
    VocabularyEndpoint,
)
from purposewatch_policy import CONTROLLER_PATTERN
from purposewatch_policy.vocabulary import MAX_QUERY_LENGTH, NOUNS

_CONTROLLER: dict[str, Any] = {
    "name": "controller",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": CONTROLLER_PATTERN},
    "example": "wework-labs",
}
_SEARCH: list[dict[str, Any]] = [
    {
        "name": "q",
        "in": "query",
        "required": True,
        "description": "Words for what you look for, in any language.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_LENGTH},
        "example": "licence plate",
    },
    {
        "name": "dimension",
        "in": "query",
        "description": "Only terms of this dimension.",
        "schema": {"type": "string", "enum": list(NOUNS)},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Most terms to return.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_FOUND,
            "default": DEFAULT_FOUND,
        },
    },
]


def add_vocabulary_routes(app: FastAPI, vocabulary: VocabularyEndpoint) -> None:
    """Add the routes that show and search the terms of a controller."""
    app.get(
        "/v1/vocabulary/{controller}",
        summary="Look up the terms of a controller",
        openapi_extra={**BEARER, "parameters": [_CONTROLLER]},
        responses=problems(*READING, ProblemKind.NOT_FOUND),
    )(vocabulary.show)
    app.get(
        "/v1/vocabulary/{controller}/search",
        summary="Find the terms for what you want to state",
        description="Searches terms, labels, synonyms and descriptions in all languages.",
        openapi_extra={**BEARER, "parameters": [_CONTROLLER, *_SEARCH]},
        responses=problems(*READING, ProblemKind.NOT_FOUND, ProblemKind.INVALID_QUERY),
    )(vocabulary.search)
