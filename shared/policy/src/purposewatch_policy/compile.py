"""Compiles one version of a policy, with its vocabulary, into sets of statements."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from purposewatch_policy.decision import Dimension
from purposewatch_policy.languages.english import operation_phrase
from purposewatch_policy.model import Policy, Statement
from purposewatch_policy.overlap import OverlapSets
from purposewatch_policy.statement_sets import StatementSets, covering, positions
from purposewatch_policy.vocabulary import FIRST_PARTY, FlowTerms, Vocabulary, stated_term

_Value = TypeVar("_Value")
_NOT_DECLARED = frozenset({"accepted_findings", "defined_terms", "excepted_defined_terms"})
_IF_STATED = frozenset({"retention_at_least", "exceptions"})
"""In the digest only where a policy states them, so that others keep the digest they had before."""


class CompiledPolicy(StatementSets):
    """One version of a policy, ready to decide: the sets of all its statements, and by role.

    A flow is decided among the statements for its role. They are few, so the integers stay short
    and the cost of deciding hardly depends on the length of the policy.
    """

    __slots__ = (
        "_by_id",
        "_overlaps_of",
        "_sets_of",
        "begins",
        "digest",
        "for_role",
        "ledger_facts",
        "on_ledger",
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
        self.role = covering(policy.statements, vocabulary, Dimension.ROLE)
        self._sets_of: dict[int, StatementSets] = {self.everything: self}
        self.for_role: Mapping[str, StatementSets] = _OnDemand(self._sets_for_role)
        """The statements that cover each role, as a policy of their own."""
        self.overlaps = OverlapSets(self, vocabulary)
        """What the prohibitions overlap, numbered as all statements are."""
        self._overlaps_of: dict[int, OverlapSets | None] = {0: None}
        self.prohibited_for_role: Mapping[str, OverlapSets | None] = _OnDemand(
            self._prohibited_for_role
        )
        """What those prohibitions overlap that overlap each role; `None` if there are none."""
        self.ledger_facts = vocabulary.ledger_facts
        """The facts about which an event's claim does not count."""
        self.on_ledger = sum(
            1 << index
            for index, each in enumerate(policy.statements)
            if not self.ledger_facts.isdisjoint((*each.when, *each.unless))
        )
        """The statements that depend on such a fact."""
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

    def _sets_for_role(self, role: str) -> StatementSets:
        """Return the sets for one role; roles with the same statements share them."""
        members = self.role[role]
        if members not in self._sets_of:
            self._sets_of[members] = self._only(members)
        return self._sets_of[members]

    def _prohibited_for_role(self, role: str) -> OverlapSets | None:
        """Return the sets for one role; roles with the same prohibitions share them."""
        members = self.overlaps.terms(Dimension.ROLE)[role] & self.prohibits
        if members not in self._overlaps_of:
            self._overlaps_of[members] = OverlapSets(self._only(members), self.vocabulary)
        return self._overlaps_of[members]

    def _only(self, members: int) -> StatementSets:
        return StatementSets(
            tuple(self.statements[bit] for bit in positions(members)), self.vocabulary
        )


class _OnDemand(dict[str, _Value]):
    """A mapping whose values are made when they are first asked for.

    A policy may have thousands of roles, few of which the events of one process are about.
    """

    def __init__(self, make: Callable[[str], _Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> _Value:
        """Make a value. Raises `KeyError` for a key that `make` does not know."""
        value = self[key] = self._make(key)
        return value


def policy_digest(policy: Policy, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 (hex) of a policy version together with its effective vocabulary.

    It depends on the content of the files, not on their layout: comments, the order of fields
    and the notation of timestamps make no difference. The order of statements and of the terms
    in them does, because decisions and explanations depend on it. What makes no difference either:
    the findings of `policy lint` that the author accepts, and whether a statement names its terms
    itself or by defined terms.
    """
    content = {"policy": policy, "vocabulary": vocabulary.canonical()}
    canonical = json.dumps(
        content, default=_plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Policy | Statement):
        content = {each.name: getattr(value, each.name) for each in fields(value)}
        return {
            name: content[name]
            for name in content
            if name not in _NOT_DECLARED and (content[name] or name not in _IF_STATED)
        }
    message = f"a policy cannot contain a {type(value).__name__}"
    raise TypeError(message)
