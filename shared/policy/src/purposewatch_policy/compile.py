"""Compiles one version of a policy, with its vocabulary, into sets of statements."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256

from purposewatch_policy.decision import Dimension
from purposewatch_policy.languages.english import operation_phrase
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.overlap import OverlapSets
from purposewatch_policy.statement_sets import StatementSets, covering
from purposewatch_policy.vocabulary import FIRST_PARTY, FlowTerms, Vocabulary, stated_term


class CompiledPolicy(StatementSets):
    """One version of a policy, ready to decide: the sets of all its statements, and by role.

    A flow is decided among the statements for its role. They are few, so the integers stay short
    and the cost of deciding hardly depends on the length of the policy.
    """

    __slots__ = (
        "_by_id",
        "begins",
        "digest",
        "for_role",
        "outside",
        "overlaps",
        "phrases",
        "policy",
        "prohibited_for_role",
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
        self.overlaps = OverlapSets(self, vocabulary)
        """What the prohibitions overlap, numbered as all statements are."""
        self.prohibited_for_role = self._prohibited_by_role()
        """What those prohibitions overlap that overlap each role; `None` if there are none."""
        self.outside = frozenset(
            term
            for term in vocabulary.recipients
            if not vocabulary.recipients.covers(FIRST_PARTY, term)
        )
        self.phrases = {
            term: operation_phrase(term, vocabulary.operations) for term in vocabulary.operations
        }
        """How sentences express each operation."""

    def statement(self, statement_id: str) -> Statement:
        """Return a statement by its id. Raises `KeyError`."""
        return self._by_id[statement_id]

    def sets(self, dimension: Dimension) -> Mapping[str | None, int]:
        """Return for each term of a dimension the statements that cover it.

        Where a flow may leave the dimension out, the key `None` holds those that cover such a flow.
        """
        name = "category" if dimension is Dimension.DATA_CATEGORY else dimension
        sets: Mapping[str | None, int] = getattr(self, name)
        return sets

    def covering_by_dimension(self, flow: FlowTerms, category: str) -> tuple[int, ...]:
        """Return for each dimension the statements that cover a flow of one data category.

        Raises `KeyError` for a term outside the vocabulary.
        """
        return tuple(
            self.retention(flow.retention_days)
            if dimension is Dimension.RETENTION
            else self.facts(flow.facts)
            if dimension is Dimension.FACTS
            else self.sets(dimension)[stated_term(flow, category, dimension)]
            for dimension in Dimension
        )

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

    def _prohibited_by_role(self) -> dict[str, OverlapSets | None]:
        """Return the sets for each role; roles with the same prohibitions share them."""
        prohibitions = [
            (1 << bit, each)
            for bit, each in enumerate(self.statements)
            if each.effect is Effect.PROHIBIT
        ]
        sets: dict[int, OverlapSets | None] = {0: None}
        by_role = {}
        for role in self.vocabulary.roles:
            members = self.overlaps.terms(Dimension.ROLE)[role] & self.prohibits
            if members not in sets:
                statements = tuple(each for bit, each in prohibitions if members & bit)
                sets[members] = OverlapSets(
                    StatementSets(statements, self.vocabulary), self.vocabulary
                )
            by_role[role] = sets[members]
        return by_role


def policy_digest(policy: Policy, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 (hex) of a policy version together with its effective vocabulary.

    It depends on the content of the files, not on their layout: comments, the order of fields
    and the notation of timestamps make no difference. The order of statements and of the terms
    in them does, because decisions and explanations depend on it. The findings of `policy lint`
    that the author accepts make no difference either: they are not part of what is declared.
    """
    declared = asdict(policy)
    for statement in declared["statements"]:
        del statement["accepted_findings"]
    content = {"policy": declared, "vocabulary": vocabulary.canonical()}
    canonical = json.dumps(
        content, default=_instant, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return sha256(canonical.encode()).hexdigest()


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    message = f"a policy cannot contain a {type(value).__name__}"
    raise TypeError(message)
