"""Explains a decision: the statement behind it, and what would change it."""

from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from purposewatch_policy.advice import Advice, advice_of
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide
from purposewatch_policy.decision import CategoryDecision, Decision, Dimension, Kind, Outcome
from purposewatch_policy.fact_ledger import LedgerValues, held_flow
from purposewatch_policy.failed import retention_span
from purposewatch_policy.flow import Flow
from purposewatch_policy.languages import Texts, explanation_texts, retention_words
from purposewatch_policy.model import Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.remedy import Remedies, find_remedies
from purposewatch_policy.sentence import sentence
from purposewatch_policy.vocabulary import (
    FlowTerms,
    Vocabulary,
    find_unknown_terms,
    stated_term,
)

_UNRELATED = 2


@dataclass(frozen=True, slots=True)
class Named:
    """A term, a fact with its state, or lengths in days; with its label."""

    term: str
    label: str | None = None
    holds: bool | None = None
    """Set for facts alone."""
    defined_term: str | None = None
    """The label of the defined term by which a statement names what matters to the event."""
    excepted: bool = False
    """Whether the statement leaves it out of what it names."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a statement names in one dimension, against what the event states."""

    dimension: Dimension
    expected: tuple[Named, ...] | None
    """What covers the event, or lies below what it states, comes first. `None` when the statement
    has no restriction."""
    actual: tuple[Named, ...]
    """Empty when the event states nothing."""
    covered: bool


@dataclass(frozen=True, slots=True)
class Hint:
    """A term outside the vocabulary, and the one that was most likely meant."""

    field: str
    term: str
    meant: str | None


@dataclass(frozen=True, slots=True)
class CategoryExplanation:
    """Why one data category was decided this way, and what would change the decision."""

    decided: CategoryDecision
    label: str | None
    sentence: str
    """In the language asked for."""
    statement: Statement | None
    section: str | None
    """The label of the section that the statement's clause is in."""
    comparisons: tuple[Comparison, ...]
    """One for each dimension; empty without a statement."""
    remedies: Remedies | None
    advice: tuple[Advice, ...]
    """The remedies in words, that of the event first; empty without remedies."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an event was decided this way, and what would change the decision."""

    flow: Flow
    at: datetime
    language: str
    decision: Decision
    vocabulary: Vocabulary | None
    """`None` when no such controller is known."""
    categories: tuple[CategoryExplanation, ...]
    leave_out: tuple[str, ...]
    """The categories without which the event would be permitted; empty if that is not enough."""
    hints: tuple[Hint, ...]
    """What to correct when the event cannot be decided."""
    versions: tuple[CompiledPolicy, ...]
    """All versions, when none was in force."""

    @property
    def texts(self) -> Texts:
        """The catalogue of what is said around an explanation, in its language."""
        return explanation_texts(self.language)

    @property
    def advice_heading(self) -> str:
        """The heading above each category's advice."""
        key = "advice.heading_of_several" if len(self.categories) > 1 else "advice.heading"
        return self.texts(key)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the event as a whole."""
        texts = self.texts
        notes = []
        if self.leave_out:
            categories = ", ".join(f"`{each}`" for each in self.leave_out)
            notes.append(texts("note.leave_out", categories=categories))
        notes += [
            texts("note.meant", term=hint.term, meant=hint.meant)
            if hint.meant
            else texts("note.not_in_vocabulary", term=hint.term)
            for hint in self.hints
        ]
        for each in self.versions:
            policy = each.policy
            notes.append(
                texts(
                    "note.version" if policy.in_force_until is None else "note.version_until",
                    version=policy.version,
                    begins=policy.in_force_from.isoformat(),
                    until=policy.in_force_until and policy.in_force_until.isoformat(),
                )
            )
        if any(each.remedies and each.remedies.event for each in self.categories):
            notes.append(texts("note.of_future"))
        return tuple(notes)


def explain(
    flow: Flow,
    at: datetime,
    policies: PolicySet,
    language: str = "en",
    ledger: LedgerValues | None = None,
) -> Explanation:
    """Decide a flow that happened at a time (with zone), and explain the decision.

    The explanation has for each data category the deciding or nearest statement, each dimension
    of it against the flow, and the smallest change of the event and of the policy that would
    permit the flow. A change honours every prohibition. Raises `KeyError` for an unknown language.
    """
    decision = decide(flow, at, policies, ledger)
    vocabulary = policies.vocabularies.get(flow.controller)
    compiled = policies.in_force(flow.controller, at) if vocabulary is not None else None
    held: FlowTerms = flow
    if compiled is not None and ledger is not None:
        held = held_flow(flow, compiled, ledger)
    return Explanation(
        flow=flow,
        at=at,
        language=language,
        decision=decision,
        vocabulary=vocabulary,
        categories=tuple(
            _Category(held, decided, vocabulary, compiled, language).explained(
                sentence(language, decided, flow, at, policies, ledger)
            )
            for decided in decision.categories
        ),
        leave_out=_leave_out(decision),
        hints=_hints(flow, policies, vocabulary),
        versions=policies.versions(flow.controller)
        if decision.kind is Kind.POLICY_NOT_IN_FORCE
        else (),
    )


def _leave_out(decision: Decision) -> tuple[str, ...]:
    """Return the categories that are not permitted, if others are: each is decided by itself."""
    failing = tuple(
        each.data_category for each in decision.categories if each.outcome is not Outcome.PERMITTED
    )
    return failing if len(failing) < len(decision.categories) else ()


def _hints(flow: Flow, policies: PolicySet, vocabulary: Vocabulary | None) -> tuple[Hint, ...]:
    if vocabulary is None:
        meant = get_close_matches(flow.controller, policies.controllers, n=1)
        return (Hint("controller", flow.controller, meant[0] if meant else None),)
    taxonomies = {taxonomy.noun: taxonomy for taxonomy in vocabulary.taxonomies().values()}
    return tuple(
        Hint(each.field, each.term, taxonomies[each.noun].closest(each.term))
        for each in find_unknown_terms(vocabulary, flow)
    )


class _Category:
    def __init__(
        self,
        flow: FlowTerms,
        decided: CategoryDecision,
        vocabulary: Vocabulary | None,
        compiled: CompiledPolicy | None,
        language: str,
    ) -> None:
        self._flow = flow
        self._decided = decided
        self._vocabulary = vocabulary
        self._compiled = compiled
        self._language = language

    def explained(self, words: str) -> CategoryExplanation:
        decided = self._decided
        statement = section = remedies = None
        if self._compiled is not None:
            remedies = find_remedies(self._flow, decided, self._compiled)
            if decided.statement is not None:
                statement = self._compiled.statement(decided.statement)
                labels = self._compiled.policy.sections.get(statement.clause.partition(".")[0], {})
                section = labels.get(self._language) or labels.get("en")
        return CategoryExplanation(
            decided=decided,
            label=self._label(Dimension.DATA_CATEGORY, decided.data_category),
            sentence=words,
            statement=statement,
            section=section,
            comparisons=self._comparisons(statement) if statement is not None else (),
            remedies=remedies,
            advice=()
            if remedies is None or self._vocabulary is None
            else advice_of(remedies, self._vocabulary, self._language),
        )

    def _comparisons(self, statement: Statement) -> tuple[Comparison, ...]:
        if self._compiled is None:
            return ()
        bit = 1 << self._compiled.statements.index(statement)
        sets = self._compiled.covering_by_dimension(self._flow, self._decided.data_category)
        return tuple(
            Comparison(
                dimension,
                self._expected(dimension, statement),
                self._actual(dimension, statement),
                bool(covered & bit),
            )
            for dimension, covered in zip(Dimension, sets, strict=True)
        )

    def _expected(self, dimension: Dimension, statement: Statement) -> tuple[Named, ...] | None:
        if dimension is Dimension.FACTS:
            facts = statement.conditions()
            return tuple(self._fact(fact, holds=holds) for fact, holds in facts) or None
        if dimension is Dimension.RETENTION:
            if not statement.limits_retention:
                return None
            words = retention_words(statement, explanation_texts(self._language))
            return (Named(retention_span(statement), words),)
        terms = statement.terms(dimension)
        excepted = tuple(
            Named(term, self._label(dimension, term), excepted=True)
            for term in sorted(
                statement.excepted(dimension), key=lambda term: self._relevance(dimension, term)
            )
        )
        if terms is None:
            return excepted or None
        # what matters to the event comes first, so that abbreviated lists still show it
        ranked = sorted((self._relevance(dimension, term), at) for at, term in enumerate(terms))
        by = self._defining(dimension, statement)
        named = [
            Named(
                terms[at],
                self._label(dimension, terms[at]),
                defined_term=by.get(terms[at]) if rank < _UNRELATED else None,
            )
            for rank, at in ranked
        ]
        return (*named[:1], *excepted, *named[1:])

    def _defining(self, dimension: Dimension, statement: Statement) -> dict[str, str]:
        """Return for each term that a statement names by a defined term the label of that."""
        defined = self._compiled.policy.defined_terms if self._compiled is not None else {}
        return {
            term: group.label.get(self._language) or group.label.get("en") or name
            for name in reversed(statement.defined_terms)
            if (group := defined[name]).dimension is dimension
            for term in group.terms
        }

    def _relevance(self, dimension: Dimension, term: str) -> int:
        """Rank what covers the event before what lies below it, and that before the rest."""
        stated = stated_term(self._flow, self._decided.data_category, dimension)
        if stated is None or self._vocabulary is None:
            return 0
        taxonomy = self._vocabulary.taxonomy(dimension)
        if taxonomy.covers(term, stated):
            return 0
        return 1 if taxonomy.covers(stated, term) else _UNRELATED

    def _actual(self, dimension: Dimension, statement: Statement) -> tuple[Named, ...]:
        flow = self._flow
        if dimension is Dimension.FACTS:
            asked = {fact for fact, _ in statement.conditions()}
            facts = {fact: holds for fact, holds in flow.facts.items() if holds or fact in asked}
            return tuple(self._fact(fact, holds=holds) for fact, holds in facts.items())
        if dimension is Dimension.RETENTION:
            return () if flow.retention_days is None else (Named(str(flow.retention_days)),)
        term = stated_term(flow, self._decided.data_category, dimension)
        return () if term is None else (self._named(dimension, term),)

    def _fact(self, fact: str, *, holds: bool) -> Named:
        return Named(fact, self._label(Dimension.FACTS, fact), holds)

    def _named(self, dimension: Dimension, term: str) -> Named:
        return Named(term, self._label(dimension, term))

    def _label(self, dimension: Dimension, term: str) -> str | None:
        if self._vocabulary is None:
            return None
        entry = self._vocabulary.taxonomy(dimension).get(term)
        return (entry.label.get(self._language) or entry.label.get("en")) if entry else None
