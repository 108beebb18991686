"""Compiles one version of a policy, with its vocabulary, into sets of statements."""

from datetime import UTC, datetime

from purposewatch_policy.digest import policy_digest
from purposewatch_policy.languages.english import operation_phrase
from purposewatch_policy.model import Policy, Statement
from purposewatch_policy.statement_sets import StatementSets, covering
from purposewatch_policy.vocabulary import FIRST_PARTY, Vocabulary


class CompiledPolicy(StatementSets):
    """One version of a policy, ready to decide: the sets of all its statements, and by role.

    A flow is decided among the statements for its role. These are few, so the integers stay
    short and deciding hardly slows down as a policy grows.
    """

    __slots__ = (
        "_by_id",
        "begins",
        "digest",
        "for_role",
        "outside",
        "phrases",
        "policy",
        "role",
        "until",
        "vocabulary",
    )

    def __init__(self, policy: Policy, vocabulary: Vocabulary) -> None:
        """Compile. Raises `KeyError` for a statement with a term outside the vocabulary."""
        super().__init__(policy.statements, vocabulary)
        self.policy = policy
        self.vocabulary = vocabulary
        self.digest = policy_digest(policy, vocabulary)
        self.begins: datetime = policy.in_force_from.astimezone(UTC)
        self.until = policy.in_force_until and policy.in_force_until.astimezone(UTC)
        self._by_id = {statement.id: statement for statement in policy.statements}
        self.role = covering(policy.statements, vocabulary.roles, lambda each: each.roles)
        self.for_role = self._by_role()
        """The statements that cover each role, as a policy of their own."""
        self.outside = frozenset(
            term
            for term in vocabulary.recipients
            if not vocabulary.recipients.covers(FIRST_PARTY, term)
        )
        self.phrases = {
            term: operation_phrase(term, vocabulary.operations) for term in vocabulary.operations
        }
        """What explanations call each operation."""

    def statement(self, statement_id: str) -> Statement:
        """Return a statement by its id. Raises `KeyError`."""
        return self._by_id[statement_id]

    def _by_role(self) -> dict[str, StatementSets]:
        """Return the sets for each role; roles with the same statements share them."""
        sets: dict[int, StatementSets] = {self.everything: self}
        for members in self.role.values():
            if members not in sets:
                statements = tuple(
                    each for bit, each in enumerate(self.statements) if members >> bit & 1
                )
                sets[members] = StatementSets(statements, self.vocabulary)
        return {role: sets[members] for role, members in self.role.items()}
