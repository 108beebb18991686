"""Whose data go where for what: the strands of the picture, drawn from the matrices."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from purposewatch_cli.policy.show.matrix import RoleMatrix, Row, matrices
from purposewatch_policy import CompiledPolicy, Dimension, Statement
from purposewatch_policy.flow_space import Branch, expand
from purposewatch_policy.vocabulary import Taxonomy

Roles = tuple[Branch, ...]
Recipients = tuple[str, ...]


@dataclass(slots=True)
class Strand:
    """Data of some roles that go to some recipients for a group of purposes."""

    conditional: bool = True
    """Whether nothing of it is permitted without a condition."""
    categories: set[str] = field(default_factory=set)
    """The highest data categories that go along."""
    purposes: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, order=True)
class Ends:
    """What a strand connects, each as a number in the order of the picture."""

    role: int
    group: int
    recipient: int


@dataclass(frozen=True, slots=True)
class Flows:
    """Everything that the picture shows, from top to bottom."""

    roles: tuple[Roles, ...]
    """Roles that the policy treats alike stand together; those without a strand come last."""
    groups: tuple[str, ...]
    """Roots of the purposes; those that lead outside come last."""
    recipients: tuple[Recipients, ...]
    """Recipients that the same statements name stand together; the controller comes first."""
    strands: dict[Ends, Strand]


def flows(compiled: CompiledPolicy) -> Flows:
    """Return what the picture shows."""
    found = sorted(matrices(compiled), key=lambda matrix: not matrix.rows)
    drawn = [
        (role, row, statement)
        for role, matrix in enumerate(found)
        for row in matrix.rows
        for statement in row.statements
    ]
    named = _named_together(compiled, {each.id: each for _, _, each in drawn}.values())
    recipients = sorted(named, key=lambda terms: terms[0] in compiled.outside)
    groups = _groups(compiled, recipients, drawn)
    strands: dict[Ends, Strand] = defaultdict(Strand)
    for role, row, statement in drawn:
        group = groups.index(_root(compiled.vocabulary.purposes, row.purpose.term))
        for recipient in _receiving(recipients, statement):
            strand = strands[Ends(role, group, recipient)]
            strand.purposes.add(row.purpose.term)
            strand.categories.update(_going(compiled, found[role], row, statement))
            strand.conditional &= bool(statement.when or statement.unless) or _is_conditional(row)
    return Flows(
        tuple(matrix.roles for matrix in found),
        tuple(groups),
        tuple(recipients),
        dict(sorted(strands.items())),
    )


def _named_together(compiled: CompiledPolicy, permits: Iterable[Statement]) -> list[Recipients]:
    """Group the recipients that the same statements name, without what lies below them."""
    taxonomy = compiled.vocabulary.recipients
    naming: dict[str, set[str]] = defaultdict(set)
    for statement in permits:
        named = statement.recipients or ()
        for term in named:
            if not any(above in named for above in taxonomy.lineage(term)[1:]):
                naming[term].add(statement.id)
    together: dict[frozenset[str], list[str]] = defaultdict(list)
    for term in taxonomy:
        if naming[term]:
            together[frozenset(naming[term])].append(term)
    return [tuple(terms) for terms in together.values()]


def _receiving(recipients: list[Recipients], statement: Statement) -> Iterator[int]:
    named = statement.recipients or ()
    return (number for number, terms in enumerate(recipients) if terms[0] in named)


def _groups(
    compiled: CompiledPolicy,
    recipients: list[Recipients],
    drawn: list[tuple[int, Row, Statement]],
) -> list[str]:
    """Order the roots of the purposes by how far down they lead, so that few strands cross."""
    purposes = compiled.vocabulary.purposes
    reached: dict[str, set[int]] = defaultdict(set)
    for _, row, statement in drawn:
        reached[_root(purposes, row.purpose.term)].update(_receiving(recipients, statement))
    order = list(purposes)
    return sorted(
        reached, key=lambda root: (sum(reached[root]) / len(reached[root]), order.index(root))
    )


def _going(
    compiled: CompiledPolicy, matrix: RoleMatrix, row: Row, statement: Statement
) -> Iterator[str]:
    """Yield the data categories of a row that a statement is about."""
    categories = compiled.vocabulary.data_categories
    excepted = statement.excepted(Dimension.DATA_CATEGORY)
    covered = expand([Branch(each, excepted) for each in statement.data_categories], categories)
    for column, cell in zip(matrix.columns, row.cells, strict=True):
        if cell:
            yield from (branch.term for branch in column.terms if branch.term in covered)


def _is_conditional(row: Row) -> bool:
    return all(mark.conditional for cell in row.cells for mark in cell)


def _root(taxonomy: Taxonomy, term: str) -> str:
    return taxonomy.lineage(term)[-1]
