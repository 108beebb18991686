"""Terms that no vocabulary has, as suggestions: what was refused, or could not be stated.

They are gaps of the kind `unknown_term`. Ingest names those that it refuses `field:term`, or
`field:(unnamed)` with the term above it as far as the vocabulary knows it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import GapKind
from purposewatch_policy.vocabulary import NOUNS, TermMatch, VocabularySearch
from purposewatch_reporter.counting.rule import FLOW_FIELDS
from purposewatch_reporter.store.gaps import OTHER_NAMES
from purposewatch_reporter.store.tables import gaps

MOST = 20
NEAR = 3

_UNNAMED = "(unnamed)"
_DIMENSIONS: Mapping[str, str] = MappingProxyType(
    {field: dimension for dimension, field in FLOW_FIELDS.items()} | {name: name for name in NOUNS}
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A term that was refused, and terms of the vocabulary that may be meant."""

    row: Any
    """Of `gaps`."""
    dimension: str | None
    """As vocabulary files name it; `None` when it is not known."""
    term: str | None
    """`None` when it is not shown."""
    above: str | None
    """A term of the vocabulary above one that is not shown."""
    near: Sequence[TermMatch] = ()


async def read_unknown_terms(connection: AsyncConnection) -> Sequence[Any]:
    """The most frequent ones."""
    c = gaps.c
    query = select(gaps).where(c.kind == str(GapKind.UNKNOWN_TERM), c.name != OTHER_NAMES)
    return (await connection.execute(query.order_by(c.count.desc(), c.id).limit(MOST))).all()


def suggest(
    rows: Sequence[Any], search_of: Callable[[str], VocabularySearch | None]
) -> Sequence[Suggestion]:
    """Find what may be meant by each. `search_of` gives the index of a controller's vocabulary."""
    return [_suggestion(row, search_of) for row in rows]


def _suggestion(row: Any, search_of: Callable[[str], VocabularySearch | None]) -> Suggestion:
    field, _, rest = row.name.rpartition(":")
    dimension = _DIMENSIONS.get(field)
    term = rest if dimension else row.name
    if term.endswith(_UNNAMED):
        above = term.removesuffix(_UNNAMED).rstrip(".")
        return Suggestion(row, dimension, None, above or None)
    search = search_of(row.controller) if row.controller else None
    words = term.replace(".", " ").replace("_", " ")
    near = () if search is None else search.search(words, dimension=dimension, limit=NEAR)
    return Suggestion(row, dimension, term, None, near)
