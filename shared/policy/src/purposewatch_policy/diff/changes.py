"""What changes for data subjects between two versions of a policy, and by which statements."""

from collections.abc import Mapping
from dataclasses import dataclass

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.decision import CategoryDecision, Dimension
from purposewatch_policy.diff.compare import Cause, ChangedBox, ChangeKind, compare
from purposewatch_policy.flow import Flow
from purposewatch_policy.flow_space import Box, FlowSpace, Region, describe_box
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import nearest_miss
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.vocabulary import NOUNS, Taxonomy

_PERMISSIONS = (ChangeKind.PERMITTED, ChangeKind.WITHDRAWN)

ERASE = "erase"
"""The operation that data subjects request: declaring it gives them a right."""

_NOUNS = {
    Dimension.ROLE: "role",
    Dimension.DATA_CATEGORY: "category of data",
    Dimension.PURPOSE: "purpose",
    Dimension.RECIPIENT: "recipient",
    Dimension.OPERATION: "operation",
    Dimension.SOURCE: "source",
    Dimension.LOCATION: "place of storage",
    Dimension.LEGAL_BASIS: "legal basis",
}
_MANY = 3
"""With this many new dimensions, it is not the old statement in another form."""


@dataclass(frozen=True, slots=True)
class Closest:
    """The permit that comes closest to a flow, in the version that does not permit the flow."""

    statement: Statement
    lacks: tuple[Dimension, ...]
    """The dimensions in which it does not cover the flow."""


@dataclass(frozen=True, slots=True)
class Change:
    """Flows that are judged differently, all by the same statement."""

    kind: ChangeKind
    rights_shrink: bool
    reason: str
    """In a few words, what was added or removed."""
    statement: Statement
    """The first statement that permits on one side only, or the prohibition that came or went."""
    prohibition: Statement | None
    """The prohibition that overrode, or now overrides, the permission."""
    region: Region
    cause: Cause
    box: Box
    example: Flow
    before: CategoryDecision
    """What the old version says about the example."""
    after: CategoryDecision
    closest: Closest | None
    """`None` unless the example is permitted on one side, and undeclared on the other."""


@dataclass(frozen=True, slots=True)
class NewWords:
    """The difference of two vocabularies in one dimension."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]
    """In both, with another parent."""


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """All differences between two versions."""

    old: CompiledPolicy
    new: CompiledPolicy
    space: FlowSpace
    changes: tuple[Change, ...]
    """The kinds in their order; within them, shrinking rights first, then by statement."""
    vocabulary: Mapping[str, NewWords]
    """By the name that vocabulary files give to the dimension. A flow that names such a term is
    `unknown` to the version that lacks it."""

    @property
    def rights_shrink(self) -> bool:
        return any(change.rights_shrink for change in self.changes)

    def __bool__(self) -> bool:
        return bool(self.changes or self.vocabulary)


def compare_versions(old: CompiledPolicy, new: CompiledPolicy) -> PolicyDiff:
    """Compare what two versions mean; neither has to be in force."""
    space = FlowSpace(old, new)
    kinds = list(ChangeKind)
    changes = sorted(
        (_change(space, each) for each in compare(space)),
        key=lambda each: (
            kinds.index(each.kind),
            not each.rights_shrink,
            each.cause.statement,
            each.box,
        ),
    )
    return PolicyDiff(old, new, space, tuple(changes), _new_words(old, new))


def _change(space: FlowSpace, changed: ChangedBox) -> Change:
    flow = space.example(changed.box)
    before, after = (decide_under(flow, each).categories[0] for each in space.versions)
    cause = changed.cause
    closest = None
    if cause.kind in _PERMISSIONS and cause.prohibition is None:
        closest = _closest(space, flow, gained=cause.kind is ChangeKind.PERMITTED)
    return Change(
        kind=cause.kind,
        rights_shrink=_shrinks(space, changed),
        reason=_reason(cause, closest),
        statement=space.statements[cause.statement],
        prohibition=None if cause.prohibition is None else space.statements[cause.prohibition],
        region=describe_box(space, changed.box),
        cause=cause,
        box=changed.box,
        example=flow,
        before=before,
        after=after,
        closest=closest,
    )


def _closest(space: FlowSpace, flow: Flow, *, gained: bool) -> Closest | None:
    """Find the closest permit among all, unlike a verdict's nearest miss, which has candidates.

    Of equals it is the one that a verdict would name.
    """
    old, new = space.versions
    version, shift = (old, 0) if gained else (new, len(old.statements))
    if not version.permits:
        return None
    covering = space.covering_by_dimension(flow, flow.data_categories[0])
    paths = (
        version.recipient_paths.get(space.known_term(Dimension.RECIPIENT, flow.recipient, version)),
        version.purpose_paths.get(space.known_term(Dimension.PURPOSE, flow.purpose, version)),
    )
    index = nearest_miss(
        version.permits,
        tuple(statements >> shift for statements in covering),
        tuple(path for path in paths if path),
    )
    lacks = [
        dimension
        for dimension, statements in zip(Dimension, covering, strict=True)
        if not statements >> shift >> index & 1
    ]
    return Closest(version.statements[index], tuple(lacks))


def _reason(cause: Cause, closest: Closest | None) -> str:
    match cause.kind:
        case ChangeKind.LIFTED:
            return "a prohibition was removed"
        case ChangeKind.PROHIBITED:
            return "a prohibition was added"
        case ChangeKind.PERMITTED:
            if cause.prohibition is not None:
                return "a prohibition no longer stands in the way"
            return _said(closest, "a new {}", "longer retention", "a condition was dropped", "new")
        case ChangeKind.WITHDRAWN:
            if cause.prohibition is not None:
                return "a prohibition stands in the way"
            return _said(
                closest, "a {} was removed", "shorter retention", "a condition was added", "removed"
            )


def _said(closest: Closest | None, term: str, retention: str, facts: str, whole: str) -> str:
    """Say in which dimensions the closest permit of the other version does not cover the flow."""
    if closest is None or len(closest.lacks) >= _MANY:
        return f"{whole} altogether"
    special = {Dimension.RETENTION: retention, Dimension.FACTS: facts}
    parts = [special.get(each) or term.format(_NOUNS[each]) for each in closest.lacks]
    return " and ".join(parts).replace("a operation", "an operation")


def _shrinks(space: FlowSpace, changed: ChangedBox) -> bool:
    """Whether data subjects lose: more is done with their data, or less of it is erased.

    A prohibition of erasing is a loss as well.
    """
    erasing = [
        axis.taxonomy is not None and ERASE in axis.taxonomy.lineage(str(axis.values[position]))
        for axis, values in zip(space.axes, changed.box, strict=True)
        if axis.dimension is Dimension.OPERATION
        for position in positions(values)
    ]
    if changed.cause.kind in {ChangeKind.PERMITTED, ChangeKind.LIFTED}:
        return not all(erasing)
    return any(erasing)


def _new_words(old: CompiledPolicy, new: CompiledPolicy) -> dict[str, NewWords]:
    found = {}
    for name in NOUNS:
        before: Taxonomy = getattr(old.vocabulary, name)
        after: Taxonomy = getattr(new.vocabulary, name)
        words = NewWords(
            added=tuple(term for term in after if term not in before),
            removed=tuple(term for term in before if term not in after),
            moved=tuple(
                term
                for term in before
                if term in after and before[term].parent != after[term].parent
            ),
        )
        if words.added or words.removed or words.moved:
            found[name] = words
    return found
