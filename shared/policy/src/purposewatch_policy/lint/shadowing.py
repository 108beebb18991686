"""Finds statements whose removal would change no outcome."""

from collections.abc import Iterator, Sequence

from purposewatch_policy.flow_space import Box, FlowSpace
from purposewatch_policy.lint.finding import Finding, Related, Severity, cited, joined
from purposewatch_policy.lint.rules import DUPLICATE_STATEMENT, SHADOWED_STATEMENT
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Statement
from purposewatch_policy.statement_sets import positions

_FIELDS = {
    "role": "roles",
    "purpose": "purposes",
    "recipient": "recipients",
    "operation": "operations",
    "source": "sources",
    "location": "locations",
    "legal_basis": "legal_bases",
}


def find_shadowed(subject: Subject, space: FlowSpace) -> Iterator[Finding]:
    """Yield duplicates and shadowed statements.

    INVARIANT: all of them together can be removed without changing the outcome of any decision.
    So of two equal statements only the later one is found, and no finding relies on a statement
    that is itself found.
    """
    compiled = subject.compiled
    boxes = space.boxes
    needed = sum(1 << index for index, box in enumerate(boxes) if box is not None)
    for index, box in reversed([*enumerate(boxes)]):
        if box is None:
            continue
        rivals = needed & ~(1 << index)
        rivals &= compiled.permits if compiled.permits >> index & 1 else compiled.prohibits
        containing = [*positions(space.covering(box, rivals))]
        twin = next((each for each in containing if boxes[each] == box), None)
        covering = containing[:1] or _together(box, rivals, space)
        if covering:
            needed &= ~(1 << index)
            yield (
                _shadowed(subject, space, index, covering)
                if twin is None
                else _duplicate(subject, index, twin)
            )


def _together(box: Box, rivals: int, space: FlowSpace) -> list[int]:
    """Return rivals that cover the box together, without those that are easily spared; or none."""
    used = space.covering_together(box, rivals)
    for each in positions(used):
        used = space.covering_together(box, used & ~(1 << each)) or used
    return [*positions(used)]


def _duplicate(subject: Subject, index: int, twin: int) -> Finding:
    statement, first = (subject.policy.statements[each] for each in (index, twin))
    effect = f"{statement.effect}s"
    return Finding(
        rule=DUPLICATE_STATEMENT,
        severity=Severity.WARNING,
        at=subject.statement(index),
        message=(
            f"{cited(statement)} {effect} exactly what {cited(first)} in line "
            f"{subject.statement(twin).line} {effect}; remove one of the two, or give it the "
            "terms that it was meant to have"
        ),
        controller=subject.policy.controller,
        version=subject.policy.version,
        statements=(statement.id, first.id),
        related=(Related(subject.statement(twin), "the same statement"),),
    )


def _shadowed(subject: Subject, space: FlowSpace, index: int, covering: list[int]) -> Finding:
    statements = subject.policy.statements
    statement = statements[index]
    wider = [statements[each] for each in covering]
    together = " together" if len(wider) > 1 else ""
    details: tuple[str, ...] = ()
    idle = _idle(statement, space, space.boxes[index], [space.boxes[each] for each in covering])
    if idle:
        names = joined([f"`{name}`" for name in idle])
        details = (f"it is narrower in {names}, which therefore never {_matter(idle)}",)
    return Finding(
        rule=SHADOWED_STATEMENT,
        severity=Severity.WARNING,
        at=subject.statement(index),
        message=(
            f"{cited(statement)} {statement.effect}s nothing that "
            f"{joined([cited(each) for each in wider])}{together} do{'' if together else 'es'} "
            f"not {statement.effect} anyway; narrow what is wider, or remove it"
        ),
        controller=subject.policy.controller,
        version=subject.policy.version,
        statements=(statement.id,),
        details=details,
        evidence={"covered_by": [each.id for each in wider], "narrower_in": list(idle)},
        related=tuple(Related(subject.statement(each), "a wider statement") for each in covering),
    )


def _idle(
    statement: Statement, space: FlowSpace, box: Box | None, wider: Sequence[Box | None]
) -> tuple[str, ...]:
    """Return the fields in which the only covering statement is wider."""
    if box is None or len(wider) != 1 or wider[0] is None:
        return ()
    names = []
    for axis in _wider(space, wider[0], box):
        if axis in statement.when:
            names.append("when")
        elif axis in statement.unless:
            names.append("unless")
        else:
            names.append(_FIELDS.get(axis, axis))
    return tuple(dict.fromkeys(names))


def _wider(space: FlowSpace, general: Box, specific: Box) -> list[str]:
    """Return the axes on which one box holds more than the other."""
    return [
        axis.name
        for axis, more, less in zip(space.axes, general, specific, strict=True)
        if more & ~less
    ]


def _matter(names: Sequence[str]) -> str:
    return "matters" if len(names) == 1 else "matter"
