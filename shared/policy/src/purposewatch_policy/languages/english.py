"""English, the language that every decision carries.

Every sentence first says what happened, then what the policy says about it. `decide` puts it
together from the pieces; `sentence` does the same afterwards, as other languages do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from purposewatch_policy.change import Action, EventChange, PolicyChange
from purposewatch_policy.decision import (
    FLOW_FIELDS,
    PROHIBITING,
    Dimension,
    FailedDimension,
    Kind,
)
from purposewatch_policy.failed import left_out
from purposewatch_policy.languages.catalogue import explanation_texts
from purposewatch_policy.languages.language import DecisionContext
from purposewatch_policy.languages.retention import retention_words, span_words
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import (
    FIRST_PARTY,
    FlowTerms,
    Taxonomy,
    UnknownTerm,
    Vocabulary,
    with_article,
)

_TEXTS = explanation_texts("en")

_PHRASES = {
    "collect": ("was collected", "by"),
    "use": ("was used", "by"),
    "store": ("was stored", "by"),
    "share": ("was shared", "with"),
    "erase": ("was erased", "by"),
}

_LACKS = {
    Kind.UNDECLARED_ROLE: "no statement permits anything for this role",
    Kind.UNDECLARED_THIRD_PARTY_SHARING: (
        "no statement for this role lets that category go to that recipient"
    ),
    Kind.UNDECLARED_CATEGORY: "no statement for this role covers that category",
    Kind.UNDECLARED_PURPOSE: (
        "no statement for this role, category and recipient covers that purpose"
    ),
}

_GROUPS: Mapping[Dimension | None, str] = {
    Dimension.ROLE: "roles",
    Dimension.DATA_CATEGORY: "data categories",
    Dimension.PURPOSE: "purposes",
    Dimension.RECIPIENT: "recipients",
    Dimension.OPERATION: "operations",
    Dimension.SOURCE: "sources",
    Dimension.LOCATION: "locations",
    Dimension.RETENTION: "retention",
    Dimension.LEGAL_BASIS: "legal bases",
}

_INSTEAD: Mapping[Dimension, str] = {
    Dimension.ROLE: "name the role more precisely: {value}",
    Dimension.DATA_CATEGORY: "name the data category more precisely: {value}",
    Dimension.PURPOSE: "do it for {value} instead of {before}",
    Dimension.RECIPIENT: "share with {value} instead of {before}",
    Dimension.OPERATION: "let the operation be {value} instead of {before}",
    Dimension.SOURCE: "obtain it from {value} instead of {before}",
    Dimension.LOCATION: "store it in {value} instead of {before}",
    Dimension.LEGAL_BASIS: "rely on {value} instead of {before}",
}

_HOLDS = {True: "holds", False: "does not hold"}

_MAX_LISTED = 3

# Looking up a member of an enum costs as much as a lookup in a dictionary.
_CATEGORY: Final = Dimension.DATA_CATEGORY
_RECIPIENT: Final = Dimension.RECIPIENT
_RETENTION: Final = Dimension.RETENTION
_FACTS: Final = Dimension.FACTS
_SHARING: Final = Kind.UNDECLARED_THIRD_PARTY_SHARING
_PURPOSE: Final = Kind.UNDECLARED_PURPOSE


def operation_phrase(operation: str, operations: Taxonomy) -> str:
    """Return an operation as a verb that a recipient can follow, such as `was shared with`."""
    for above in operations.lineage(operation):
        if above in _PHRASES:
            verb, preposition = _PHRASES[above]
            detail = "" if above == operation else f" (`{operation}`)"
            return f"{verb}{detail} {preposition}"
    return f"underwent `{operation}` by"


def event(flow: FlowTerms, category: str, phrase: str) -> str:
    """Say what happened to one data category."""
    return f"`{flow.role}` data in `{category}` {phrase} `{flow.recipient}` for `{flow.purpose}`"


class StatementWords:
    """What sentences say about one statement, each piece put together once.

    What it names in a dimension is put into words when a sentence first needs it.
    """

    __slots__ = ("_named", "cited", "statement")

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.cited = f"`{statement.id}` ({statement.clause})"
        self._named: dict[Dimension, str] = {}

    def named(self, failed: FailedDimension) -> str:
        """Say what it names in a dimension of terms, and what it leaves out of that."""
        words = self._named.get(failed.dimension)
        if words is None:
            words = _names(self.statement, failed.dimension, failed.expected)
            self._named[failed.dimension] = words
        return words


def permission(words: StatementWords) -> str:
    """Say that a statement permits the flow; follows what happened."""
    return f"; {words.cited} permits it."


def prohibition(
    words: StatementWords,
    permit: StatementWords | None,
    excepted: Mapping[Dimension, tuple[str, ...]],
) -> str:
    """Say that a statement prohibits the flow, even if another one permits it, and what not."""
    without = ""
    if excepted:
        listed = [
            f"{_alternatives(terms)} as {dimension.replace('_', ' ')}"
            for dimension, terms in excepted.items()
        ]
        without = f", except {_joined(listed, 'and')}"
    although = f", although {permit.cited} permits it" if permit else ""
    return f"; {words.cited} prohibits it{without}{although}."


def partial_prohibition(
    words: StatementWords, parts: Sequence[FailedDimension], permit: StatementWords | None
) -> str:
    """Say which part of the flow a statement prohibits, and what could be permitted."""
    rest = f", and {permit.cited} permits the rest" if permit else ""
    return (
        f"; {words.cited} prohibits a part of it, "
        f"{_joined(_parts(words, parts), 'and')}{rest}. "
        "Only a more precise event can be permitted."
    )


def not_in_force(controller: str, at: datetime) -> str:
    """Say that there was no policy that could have declared the flow."""
    return f"; no version of the policy of `{controller}` was in force at {at.isoformat()}."


def unknown_controller(controller: str) -> str:
    """Say that there is nothing to judge the flow by."""
    return f"there is no policy for the controller `{controller}`, so this cannot be judged."


def unknown_terms(controller: str, terms: Iterable[UnknownTerm]) -> str:
    """Say which words of the flow mean nothing."""
    listed = _joined([f"`{each.term}` is not {with_article(each.noun)}" for each in terms], "and")
    return f"{listed} in the vocabulary of `{controller}`, so this cannot be judged."


def omission(
    kind: Kind, nearest: StatementWords | None, failed: Sequence[FailedDimension], flow: FlowTerms
) -> str:
    """Say what the policy does not declare, and what the nearest statement lacks."""
    lack = _LACKS.get(kind)
    if nearest is None:
        return f"; {lack}."
    if lack is None:
        return f"; {_miss(nearest, failed, flow)}."
    terms = _terms_of(nearest, failed, flow)
    if kind is _PURPOSE:
        if _fails(failed, _RECIPIENT):
            lack = "no statement for this role lets the controller itself process that category"
    elif kind is _SHARING and not (_fails(failed, _CATEGORY) or _fails(failed, _RECIPIENT)):
        lack += " for that purpose"
    return f"; {lack}. Nearest: {nearest.cited}, which {terms}."


def contradiction(words: StatementWords, held: FlowTerms) -> str:
    """Say that what a statement requires is claimed, but not so according to the ledger."""
    unmet = words.statement.unmet(held.facts)
    ledger = [
        f"`{fact}` {_HOLDS[holds]}"
        if (holds := held.facts.get(fact)) is not None
        else f"`{fact}` is not stated"
        for fact, _ in unmet
    ]
    return (
        f"; the event claims that {_joined(_conditions(unmet), 'and')}, as {words.cited} requires, "
        f"but in the ledger of facts {_joined(ledger, 'and')}, so the claim does not count."
    )


def _conditions(conditions: Iterable[tuple[str, bool]]) -> list[str]:
    return [f"`{fact}` {_HOLDS[holds]}" for fact, holds in conditions]


def _fails(failed: Sequence[FailedDimension], dimension: Dimension) -> bool:
    for each in failed:  # noqa: SIM110 - a generator costs more than the rest
        if each.dimension is dimension:
            return True
    return False


def _miss(nearest: StatementWords, failed: Sequence[FailedDimension], flow: FlowTerms) -> str:
    """Say in what the nearest statement misses a flow, and first what the event leaves out."""
    left_out = [
        each.dimension for each in failed if each.actual is None and each.dimension is not _FACTS
    ]
    if not left_out:
        return f"{nearest.cited} comes nearest, but it {_terms_of(nearest, failed, flow)}"
    nouns = _joined([f"the {each.replace('_', ' ')}" for each in left_out], "and")
    were = "was" if len(left_out) == 1 else "were"
    terms = _terms_of(nearest, failed, flow, marked=False)
    return f"{nouns} {were} not stated, and {nearest.cited}, which comes nearest, {terms}"


def sentence(context: DecisionContext) -> str:
    """Say what happened to a data category, and what the policy says about it."""
    flow = context.flow
    decided = context.decided
    if context.vocabulary is None:
        return unknown_controller(flow.controller)
    if context.unknown:
        return unknown_terms(flow.controller, context.unknown)
    phrase = operation_phrase(flow.operation, context.vocabulary.operations)
    happened = event(flow, decided.data_category, phrase)
    if decided.kind is Kind.POLICY_NOT_IN_FORCE:
        return happened + not_in_force(flow.controller, context.at)
    if decided.kind is Kind.CONTRADICTED_CLAIM and context.statement is not None:
        return happened + contradiction(StatementWords(context.statement), flow)
    if decided.kind is not None and decided.kind not in PROHIBITING:
        nearest = None if context.statement is None else StatementWords(context.statement)
        return happened + omission(decided.kind, nearest, decided.failed, flow)
    if context.statement is None:
        message = "a permission or prohibition has a statement"
        raise ValueError(message)
    return happened + _effect(context, context.statement, context.vocabulary)


def _effect(context: DecisionContext, statement: Statement, vocabulary: Vocabulary) -> str:
    """Say what the deciding statement does."""
    decided = context.decided
    words = StatementWords(statement)
    if decided.kind is None:
        return permission(words)
    permitting = None if context.permit is None else StatementWords(context.permit)
    if decided.kind is Kind.PROHIBITED:
        excepted = left_out(statement, context.flow, decided.data_category, vocabulary)
        return prohibition(words, permitting, excepted)
    return partial_prohibition(words, decided.failed, permitting)


def event_change(change: EventChange, vocabulary: Vocabulary) -> str:
    """Say what would have to be done or stated instead."""
    value = f"`{change.value}`"
    if change.dimension is Dimension.FACTS:
        return _fact_change(change, vocabulary)
    if isinstance(change.value, int):
        return _retention_change(change)
    if change.before is None:
        field = FLOW_FIELDS[change.dimension]
        noun = change.dimension.replace("_", " ")
        return f"state the {noun} {value}, in the field `data.{field}`"
    if vocabulary.taxonomy(change.dimension).covers(str(change.before), change.value):
        return f"name the {change.dimension.replace('_', ' ')} more precisely: {value}"
    instead = _INSTEAD[change.dimension]
    if change.dimension is Dimension.RECIPIENT and vocabulary.recipients.covers(
        FIRST_PARTY, change.value
    ):
        instead = "keep it with {value} instead of {before}"
    return instead.format(value=value, before=f"`{change.before}`")


def policy_change(change: PolicyChange, vocabulary: Vocabulary) -> str:  # noqa: ARG001 - see Language
    """Say how a statement would have to read."""
    cited = f"`{change.statement}` ({change.clause})"
    terms = _listed(change.terms)
    group = _GROUPS.get(change.dimension, "")
    match change.action:
        case Action.ADD | Action.INCLUDE:
            terms = (
                f"add {terms} to" if change.action is Action.ADD else f"do not except {terms} from"
            )
            return f"{terms} the {group} of {cited}"
        case Action.LIFT:
            return f"do not restrict the {group} of {cited}"
        case Action.RAISE | Action.LOWER:
            least = "least " if change.action is Action.LOWER else ""
            return f"{change.action} the {least}retention of {cited} to {_days(change.days)}"
        case Action.DROP:
            holds = "holds" if change.holds else "does not hold"
            return f"do not require in {cited} that {terms} {holds}"
        case Action.REMOVE:
            by = _listed(change.defined_terms)
            named = f" by way of {by}" if by else ""
            return f"take {terms} out of the {group} that {cited} prohibits{named}"
        case Action.WITHDRAW:
            return f"withdraw the prohibition {cited}"


def _retention_change(change: EventChange) -> str:
    if isinstance(change.before, int) and isinstance(change.value, int):
        most = "least" if change.before < change.value else "most"
        return f"keep it for at {most} {_days(change.value)}"
    words = span_words(*change.span, _TEXTS)
    return f"state that it is kept for {words}, in the field `data.retention_days`"


def _fact_change(change: EventChange, vocabulary: Vocabulary) -> str:
    """Say what has to be so; no event is to claim what a ledger answers for."""
    value = f"`{change.value}`"
    needed = f"needs {value}" if change.holds else f"needs that {value} does not hold"
    stated_by = vocabulary.stated_by(str(change.value), "en")
    if stated_by is None:
        return needed
    stated_by = stated_by.rstrip(".")
    return f"{needed} in the ledger of facts; a claim in the event does not count ({stated_by})"


def _listed(terms: Sequence[str]) -> str:
    return _joined([f"`{term}`" for term in terms], "and") if terms else ""


def _days(days: object) -> str:
    return f"{days} day" if days == 1 else f"{days} days"


def _terms_of(
    words: StatementWords,
    failed: Sequence[FailedDimension],
    flow: FlowTerms,
    *,
    marked: bool = True,
) -> str:
    """Say what a statement names in the dimensions that the flow fails.

    What the event leaves out is marked, unless it was said before.
    """
    named = []
    others = []
    for each in failed:
        if each.dimension is _RETENTION:
            allowed = retention_words(words.statement, _TEXTS)
            others.append(f"allows {allowed}{_states(each, marked=marked)}")
        elif each.dimension is _FACTS:
            conditions = _conditions(words.statement.unmet(flow.facts))
            others.append(f"requires that {_joined(conditions, 'and')}")
        else:
            names = words.named(each)
            named.append(_marked(names, each) if marked else names)
    if not named:
        return _joined(others, "and")
    first = f"names {_joined(named, 'and')}"
    return _joined([first, *others], "and") if others else first


def _parts(words: StatementWords, parts: Iterable[FailedDimension]) -> list[str]:
    """Say what a prohibition names where the flow is more general."""
    prohibition = words.statement
    return [
        f"{retention_words(prohibition, _TEXTS)} as retention (the event states none)"
        if each.dimension is _RETENTION
        else _marked(_names(prohibition, each.dimension, each.expected), each)
        for each in parts
    ]


def _marked(named: str, failed: FailedDimension) -> str:
    return f"{named} (the event states none)" if failed.actual is None else named


def _names(statement: Statement, dimension: Dimension, terms: Sequence[str]) -> str:
    named = _alternatives(terms) if terms else "anything"
    excepted = statement.excepted(dimension)
    without = f" except {_alternatives(excepted)}" if excepted else ""
    return f"{named}{without} as {dimension.replace('_', ' ')}"


def _states(failed: FailedDimension, *, marked: bool) -> str:
    """Say how long the event states that the data are kept."""
    if failed.actual is None and not marked:
        return ""
    return f" (the event states {failed.actual or 'none'})"


def _alternatives(terms: Sequence[str]) -> str:
    listed = [f"`{term}`" for term in terms[:_MAX_LISTED]]
    if len(terms) > _MAX_LISTED:
        listed.append(f"{len(terms) - _MAX_LISTED} more")
    return _joined(listed, "or")


def _joined(parts: Sequence[str], word: str) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"
