"""Statements one by one, ready to be compared with a flow and to be cited.

For each dimension after the recipient, a statement has an integer with a bit for each term that it
does not concern: one operation compares it with a flow. A permit concerns what it covers, and a
prohibition what it overlaps.
"""

from collections.abc import Mapping

from purposewatch_policy.decision import Dimension
from purposewatch_policy.languages.english import StatementWords
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.overlap import OverlapSets
from purposewatch_policy.statement_sets import StatementSets

_NO_LIMIT = 1 << 60


class StatementRow(StatementWords):
    """One statement of a policy. Immutable by convention."""

    __slots__ = (
        "categories",
        "clause",
        "id",
        "lacks_legal_basis",
        "lacks_location",
        "lacks_operation",
        "lacks_source",
        "least",
        "limits_retention",
        "most",
        "number",
        "permits",
        "purposes",
        "recipients",
        "unless",
        "when",
    )

    def __init__(
        self,
        statement: Statement,
        number: int,
        lacks: tuple[int, int, int, int],
        facts: Mapping[str, int],
    ) -> None:
        """Take what it lacks of operations, sources, locations and legal bases; and facts' bits."""
        super().__init__(statement)
        self.lacks_operation, self.lacks_source, self.lacks_location, self.lacks_legal_basis = lacks
        self.when = sum([facts[each] for each in statement.when])
        self.unless = sum([facts[each] for each in statement.unless])
        self.permits = statement.effect is Effect.PERMIT
        self.limits_retention = statement.limits_retention
        self.least = statement.retention_at_least or 0
        self.most = _NO_LIMIT if statement.retention_days is None else statement.retention_days
        self.number = number
        self.categories = statement.data_categories
        self.purposes = statement.purposes
        self.recipients = statement.recipients
        self.id = statement.id
        self.clause = statement.clause


class TermBits:
    """The bits of a policy's terms, and its statements. Immutable by convention.

    Mappings have exactly the terms of the vocabulary, and the key `None` where a flow may leave the
    dimension out.
    """

    __slots__ = ("all_facts", "facts", "legal_basis", "location", "operation", "rows", "source")

    def __init__(self, sets: StatementSets, overlaps: OverlapSets) -> None:
        operation = _Column(sets, overlaps, Dimension.OPERATION)
        source = _Column(sets, overlaps, Dimension.SOURCE)
        location = _Column(sets, overlaps, Dimension.LOCATION)
        legal_basis = _Column(sets, overlaps, Dimension.LEGAL_BASIS)
        self.operation = operation.bits
        self.source = source.bits
        self.location = location.bits
        self.legal_basis = legal_basis.bits
        self.facts = {fact: 1 << position for position, fact in enumerate(sets.facts_excluded)}
        self.all_facts = (1 << len(self.facts)) - 1
        lacks = zip(operation.lacks, source.lacks, location.lacks, legal_basis.lacks, strict=True)
        numbered = enumerate(zip(sets.statements, lacks, strict=True))
        self.rows = tuple(
            [StatementRow(each, number, lack, self.facts) for number, (each, lack) in numbered]
        )


class _Column:
    """The bits of the terms of one dimension, and of those that each statement does not concern."""

    def __init__(self, sets: StatementSets, overlaps: OverlapSets, dimension: Dimension) -> None:
        covered = sets.sets(dimension)
        overlapped = overlaps.terms(dimension)
        self.bits = {term: 1 << position for position, term in enumerate(covered)}
        count = len(sets.statements)
        self.lacks = [0] * count
        if count and covered:
            concerned = [
                covered[term] & sets.permits | overlapped[term] & sets.prohibits for term in covered
            ]
            lacking = [format(sets.everything ^ each, f"0{count}b") for each in reversed(concerned)]
            self.lacks = [int("".join(bits), 2) for bits in zip(*lacking, strict=True)][::-1]
