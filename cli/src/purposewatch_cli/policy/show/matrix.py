"""The matrix role x data category x purpose: what a policy permits, at a glance.

Terms that the policy treats alike stand together: categories to which the same statements apply
make one column, and so on. A permit applies to what it covers, a prohibition also to what it covers
in part. A column or row holds what lies below its terms as well, apart from what has a column or
row of its own. Sources, places, retention and legal bases are left out: a cell
says what is permitted with those that the statements name.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from purposewatch_policy import CompiledPolicy, Dimension, Statement
from purposewatch_policy.flow_space import Branch, branches, expand
from purposewatch_policy.vocabulary import Taxonomy

_MANY_FACTS = 8
"""With more facts in one cell, whatever is permitted is taken to be so on a condition."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One operation (a root of the taxonomy) in a cell."""

    operation: str
    conditional: bool
    """Permitted only when certain facts hold."""
    partly: bool
    """Permitted only in a more specific form, such as `use.analyze` for `use`."""


@dataclass(frozen=True, slots=True)
class Column:
    """Data categories that the policy treats alike for a role."""

    name: str
    """A letter, or two when letters run out."""
    terms: tuple[Branch, ...]
    defined_terms: tuple[str, ...]
    """The defined terms that together mean exactly these categories, if there are any."""


@dataclass(frozen=True, slots=True)
class Row:
    """One purpose with recipients that the policy treats alike."""

    purpose: Branch
    recipients: tuple[Branch, ...]
    inside: bool
    """Whether the data stay inside the controller."""
    cells: tuple[tuple[Mark, ...], ...]
    """One for each column."""
    statements: tuple[Statement, ...]
    """The permits behind the row, in the policy's order."""


@dataclass(frozen=True, slots=True)
class RoleMatrix:
    """What may be done with the data of people in some roles."""

    roles: tuple[Branch, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    prohibitions: tuple[Statement, ...]


def matrices(compiled: CompiledPolicy) -> tuple[RoleMatrix, ...]:
    """Return a matrix for every group of roles that the policy treats alike."""
    return tuple(
        _RoleReader(compiled, statements).matrix(roles)
        for statements, roles in _alike(
            _applying(compiled, Dimension.ROLE), compiled.vocabulary.roles, -1
        )
    )


def _applying(compiled: CompiledPolicy, dimension: Dimension) -> dict[str, int]:
    """Return for each term the statements that apply to it."""
    overlapping = compiled.overlaps.terms(dimension)
    return {
        term: (covering & compiled.permits) | (overlapping[term] & compiled.prohibits)
        for term, covering in compiled.sets(dimension).items()
        if term is not None
    }


class _RoleReader:
    def __init__(self, compiled: CompiledPolicy, statements: int) -> None:
        self._compiled = compiled
        self._statements = statements
        self._permits = statements & compiled.permits
        self._categories = _applying(compiled, Dimension.DATA_CATEGORY)
        self._purposes = _applying(compiled, Dimension.PURPOSE)
        self._recipients = _applying(compiled, Dimension.RECIPIENT)
        self._operations = _applying(compiled, Dimension.OPERATION)

    def matrix(self, roles: tuple[Branch, ...]) -> RoleMatrix:
        vocabulary = self._compiled.vocabulary
        categories = [
            (mask, terms)
            for mask, terms in _alike(
                self._categories, vocabulary.data_categories, self._statements
            )
            if mask & self._permits
        ]
        columns = tuple(
            Column(_letters(index), terms, self._defined_terms(terms))
            for index, (_, terms) in enumerate(categories)
        )
        order = {term: index for index, term in enumerate(_tree_order(vocabulary.purposes))}
        rows = sorted(
            self._rows([mask for mask, _ in categories]),
            key=lambda row: (not row.inside, order[row.purpose.term]),
        )
        return RoleMatrix(roles, columns, tuple(rows), self._listed(~self._compiled.permits))

    def _rows(self, categories: list[int]) -> Iterator[Row]:
        compiled = self._compiled
        purposes = _alike(self._purposes, compiled.vocabulary.purposes, self._statements)
        for for_purpose, terms in purposes:
            recipients: dict[tuple[int, bool], list[str]] = defaultdict(list)
            for recipient, to_recipient in self._recipients.items():
                covering = for_purpose & to_recipient & self._statements
                recipients[covering, recipient not in compiled.outside].append(recipient)
            for (covering, inside), receiving in recipients.items():
                cells = tuple(self._cell(covering & category) for category in categories)
                if not any(cells):
                    continue
                described = branches(receiving, compiled.vocabulary.recipients)
                permits = self._listed(covering & self._permits)
                for purpose in terms:
                    yield Row(purpose, described, inside, cells, permits)

    def _cell(self, statements: int) -> tuple[Mark, ...]:
        operations = self._compiled.vocabulary.operations
        marks = []
        for root in (term for term, entry in operations.items() if entry.parent is None):
            below = [term for term in operations if root in operations.lineage(term)]
            held = {term: self._condition(statements & self._operations[term]) for term in below}
            permitted = [conditional for conditional in held.values() if conditional is not None]
            if permitted:
                marks.append(Mark(root, all(permitted), held[root] is None))
        return tuple(marks)

    def _condition(self, statements: int) -> bool | None:
        """Whether these statements permit only on a condition; `None` if they do not permit."""
        permits = self._listed(statements & self._compiled.permits)
        prohibitions = [
            each
            for each in self._listed(statements & ~self._compiled.permits)
            if not _is_narrow(each)
        ]
        held = set(_held(permits, prohibitions))
        return False in held if True in held else None

    def _listed(self, statements: int) -> tuple[Statement, ...]:
        return tuple(
            each
            for bit, each in enumerate(self._compiled.statements)
            if (statements & self._statements) >> bit & 1
        )

    def _defined_terms(self, terms: tuple[Branch, ...]) -> tuple[str, ...]:
        """Return the defined terms that together mean exactly these categories, if there are."""
        categories = self._compiled.vocabulary.data_categories
        remaining = set(expand(terms, categories))
        members = frozenset(remaining)
        named = []
        for name, defined in self._compiled.policy.defined_terms.items():
            if defined.dimension is not Dimension.DATA_CATEGORY:
                continue
            covered = expand(map(Branch, defined.terms), categories)
            if covered <= members and covered & remaining:
                named.append(name)
                remaining -= covered
        return () if remaining else tuple(named)


def _held(permits: Sequence[Statement], prohibitions: Sequence[Statement]) -> Iterator[bool]:
    """Yield for every state of the facts that matter whether something is permitted in it."""
    facts = sorted(
        {fact for each in (*permits, *prohibitions) for fact in (*each.when, *each.unless)}
    )
    if len(facts) > _MANY_FACTS:
        yield from ([True, False] if permits else [False])
        return
    for state in product((False, True), repeat=len(facts)):
        holding = {fact for fact, holds in zip(facts, state, strict=True) if holds}
        yield any(_applies(each, holding) for each in permits) and not any(
            _applies(each, holding) for each in prohibitions
        )


def _applies(statement: Statement, holding: set[str]) -> bool:
    return holding.issuperset(statement.when) and holding.isdisjoint(statement.unless)


def _is_narrow(prohibition: Statement) -> bool:
    """Whether a prohibition depends on anything that the matrix leaves out, apart from facts."""
    return bool(prohibition.sources or prohibition.locations or prohibition.limits_retention)


def _alike(
    applying: Mapping[str, int], taxonomy: Taxonomy, among: int
) -> list[tuple[int, tuple[Branch, ...]]]:
    """Group the terms to which the same of some statements apply; others are left out.

    For roles, `among` is -1, and a group without statements is kept: nothing is said about it.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for term in taxonomy:
        groups[applying[term] & among].append(term)
    return [
        (mask, branches(terms, taxonomy)) for mask, terms in groups.items() if mask or among == -1
    ]


def _tree_order(taxonomy: Taxonomy) -> list[str]:
    """Return the terms so that what lies below a term follows it, roots in their own order."""
    roots = [term for term, entry in taxonomy.items() if entry.parent is None]
    return sorted(
        taxonomy,
        key=lambda term: (roots.index(taxonomy.lineage(term)[-1]), taxonomy.lineage(term)[::-1]),
    )


def _letters(index: int) -> str:
    letter = chr(ord("A") + index % 26)
    return letter if index < 26 else f"{_letters(index // 26 - 1)}{letter}"  # noqa: PLR2004 - A to Z
