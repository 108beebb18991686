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
from purposewatch_policy.role_index import RoleIndex
from purposewatch_policy.statement_row import TermBits
from purposewatch_policy.statement_sets import StatementSets, covering, positions
from purposewatch_policy.vocabulary import FIRST_PARTY, FlowTerms, Taxonomy, Vocabulary

_Value = TypeVar("_Value")
_NOT_DECLARED = frozenset(
    {
        "accepted_findings",
        "defined_terms",
        "excepted_defined_terms",
        "mode",
        "replaces",
        "shadow_statements",
    }
)
_IF_STATED = frozenset({"retention_at_least", "exceptions"})
"""In the digest only where a policy states them, so that others keep the digest they had before."""


class CompiledPolicy(StatementSets):
    """One version of a policy, ready to decide: the sets of all its statements, and by role.

    A flow is looked up among the statements for its role. They are fewer, so the sets are shorter.
    """

    __slots__ = (
        "_by_id",
        "_index_of",
        "above_category",
        "above_purpose",
        "above_recipient",
        "begins",
        "bits",
        "digest",
        "for_role",
        "ledger_facts",
        "on_ledger",
        "outside",
        "overlaps",
        "phrases",
        "policy",
        "role",
        "rows",
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
        self.overlaps = OverlapSets(self, vocabulary)
        """What the prohibitions overlap."""
        self.bits = TermBits(self, self.overlaps)
        self.rows = self.bits.rows
        """The statements one by one."""
        self._index_of: dict[int, RoleIndex] = {}
        self.for_role: Mapping[str, RoleIndex] = _OnDemand(self._index_for_role)
        """The statements that concern each role."""
        self.above_category = _lineages(vocabulary.data_categories)
        self.above_purpose = _lineages(vocabulary.purposes)
        self.above_recipient = _lineages(vocabulary.recipients)
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

    def covering_by_dimension(self, flow: FlowTerms, category: str) -> tuple[int, ...]:
        """Return for each dimension the statements that cover a flow of one data category.

        Raises `KeyError` for a term outside the vocabulary.
        """
        return (
            self.role[flow.role],
            self.category[category],
            self.purpose[flow.purpose],
            self.recipient[flow.recipient],
            self.operation[flow.operation],
            self.source[flow.source],
            self.location[flow.location],
            self.retention(flow.retention_days),
            self.legal_basis[flow.legal_basis],
            self.facts(flow.facts),
        )

    def _index_for_role(self, role: str) -> RoleIndex:
        """Return what concerns one role; roles that the same statements concern share it."""
        overlapping = self.overlaps.terms(Dimension.ROLE)[role] & self.prohibits
        members = self.role[role] & self.permits | overlapping
        if members not in self._index_of:
            rows = [self.rows[bit] for bit in positions(members)]
            self._index_of[members] = RoleIndex(rows, self.vocabulary)
        return self._index_of[members]


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


def _lineages(taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Return each term followed by what lies above it."""
    return {term: taxonomy.lineage(term) for term in taxonomy}


def policy_digest(policy: Policy, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 (hex) of a policy version together with its effective vocabulary.

    It depends on the content of the files, not on their layout: comments, the order of fields
    and the notation of timestamps make no difference. The order of statements and of the terms
    in them does, because decisions and explanations depend on it. What makes no difference either:
    the findings of `policy lint` that the author accepts, whether a statement names its terms
    itself or by defined terms, and what is in shadow mode.
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
