"""The terms that events and policies are written in, and their hierarchy."""

from purposewatch_policy.vocabulary.load import (
    COMMON,
    find_controllers,
    load_vocabularies,
    read_vocabularies,
)
from purposewatch_policy.vocabulary.model import (
    FIRST_PARTY,
    NOUNS,
    OTHER_PERSON,
    PUBLIC,
    Authority,
    Taxonomy,
    TermEntry,
    Vocabulary,
    with_article,
)
from purposewatch_policy.vocabulary.search import (
    MAX_QUERY_LENGTH,
    MatchedField,
    TermMatch,
    VocabularySearch,
)
from purposewatch_policy.vocabulary.unknown import (
    FlowTerms,
    UnknownTerm,
    find_unknown_terms,
    stated_term,
)

__all__ = [
    "COMMON",
    "FIRST_PARTY",
    "MAX_QUERY_LENGTH",
    "NOUNS",
    "OTHER_PERSON",
    "PUBLIC",
    "Authority",
    "FlowTerms",
    "MatchedField",
    "Taxonomy",
    "TermEntry",
    "TermMatch",
    "UnknownTerm",
    "Vocabulary",
    "VocabularySearch",
    "find_controllers",
    "find_unknown_terms",
    "load_vocabularies",
    "read_vocabularies",
    "stated_term",
    "with_article",
]
