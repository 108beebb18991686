"""The statements that concern one role, by category, purpose, recipient and operation.

A permit concerns what it covers, and a prohibition what it overlaps. However many statements there
are, few concern the same category, purpose and recipient, so few have to be compared with a flow.
"""

from collections.abc import Sequence

from purposewatch_policy.decision import Dimension
from purposewatch_policy.statement_row import StatementRow
from purposewatch_policy.statement_sets import covering, naming_below
from purposewatch_policy.vocabulary import Vocabulary


class RoleIndex:
    """Some statements of a policy, with numbers of their own. Immutable by convention.

    Mappings have exactly the terms of the vocabulary: a missing key is an unknown term.
    INVARIANT: the prohibitions have the highest numbers.
    """

    __slots__ = (
        "category",
        "naming_below_purpose",
        "naming_below_recipient",
        "operation",
        "permits",
        "purpose",
        "recipient",
        "rows",
    )

    def __init__(self, rows: Sequence[StatementRow], vocabulary: Vocabulary) -> None:
        self.rows = tuple(sorted(rows, key=_is_prohibition))
        self.permits = (1 << sum([each.permits for each in rows])) - 1
        self.category = self._concerned(vocabulary, Dimension.DATA_CATEGORY)
        self.purpose = self._concerned(vocabulary, Dimension.PURPOSE)
        self.recipient = self._concerned(vocabulary, Dimension.RECIPIENT)
        self.operation = self._concerned(vocabulary, Dimension.OPERATION)
        statements = tuple([each.statement for each in self.rows])
        self.naming_below_purpose = naming_below(statements, vocabulary, Dimension.PURPOSE)
        """The statements that name each purpose or something below it."""
        self.naming_below_recipient = naming_below(statements, vocabulary, Dimension.RECIPIENT)

    def _concerned(self, vocabulary: Vocabulary, dimension: Dimension) -> dict[str, int]:
        """Return for each term the permits that cover it and the prohibitions that overlap it."""
        statements = tuple([each.statement for each in self.rows])
        covered = covering(statements, vocabulary, dimension)
        prohibits = (1 << len(statements)) - 1 ^ self.permits
        if not prohibits:
            return covered
        below = naming_below(statements, vocabulary, dimension)
        return {term: covered[term] | below[term] & prohibits for term in covered}


def _is_prohibition(row: StatementRow) -> bool:
    return not row.permits
