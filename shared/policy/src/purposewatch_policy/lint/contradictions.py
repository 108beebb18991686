"""Finds permits and prohibitions that contradict each other."""

from collections.abc import Iterator

from purposewatch_policy.flow_space import Axis, Box, Days, FlowSpace, contains, describe_box
from purposewatch_policy.lint.finding import Finding, Related, Severity, cited, listed
from purposewatch_policy.lint.rules import CONTRADICTION
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Effect

_NOUNS = {"data_categories": "data", "legal_basis": "legal basis"}


def find_contradictions(subject: Subject, space: FlowSpace) -> Iterator[Finding]:
    """Yield each pair with the flows that both cover, and one event as an example.

    A prohibition within a permit is an exception to it: no contradiction, as long as it leaves
    something of the permit.
    INVARIANT: the example is decided as `prohibited` with the grade `ambiguous`.
    """
    statements = subject.policy.statements
    boxes = [(index, box) for index, box in enumerate(space.boxes) if box is not None]
    for forbidden, prohibition in boxes:
        if statements[forbidden].effect is not Effect.PROHIBIT:
            continue
        for allowed, permit in boxes:
            if statements[allowed].effect is not Effect.PERMIT:
                continue
            overlap = space.meet(prohibition, permit)
            never_applies = contains(space.overlapped[forbidden], permit)
            if overlap is not None and (never_applies or not contains(permit, prohibition)):
                message = _message(
                    cited(statements[forbidden]),
                    cited(statements[allowed]),
                    never_applies=never_applies,
                )
                example = space.example(overlap).model_dump(mode="json", exclude_defaults=True)
                yield Finding(
                    rule=CONTRADICTION,
                    severity=Severity.ERROR,
                    at=subject.statement(forbidden),
                    message=message,
                    controller=subject.policy.controller,
                    version=subject.policy.version,
                    statements=(statements[forbidden].id, statements[allowed].id),
                    details=(f"on which flows: {_sentence(space, overlap)}",),
                    evidence={"flows": _described(space, overlap), "example": example},
                    related=(Related(subject.statement(allowed), "the permit"),),
                )


def _message(forbids: str, permits: str, *, never_applies: bool) -> str:
    if never_applies:
        return (
            f"{forbids} prohibits everything that {permits} permits, or a part of it, so that the "
            "permit never applies; remove one of them, or narrow the prohibition"
        )
    return f"{forbids} prohibits some of what {permits} permits; narrow one of the two"


def _described(space: FlowSpace, box: Box) -> dict[str, tuple[str, ...]]:
    """Return a box in the highest terms, by axis; axes without restriction are left out."""
    return {
        axis.name: _values(axis, values)
        for axis, values in zip(space.axes, box, strict=True)
        if values != axis.everything
    }


def _values(axis: Axis, values: int) -> tuple[str, ...]:
    if axis.taxonomy is not None:
        return axis.highest(values)
    return tuple(
        f"{each.first}..{'' if each.last is None else each.last}"
        if isinstance(each, Days)
        else str(each).lower()
        for each in axis.members(values)
    )


def _sentence(space: FlowSpace, box: Box) -> str:
    """Say which flows are in a box."""
    parts = []
    for name, values in _described(space, box).items():
        if values in {("true",), ("false",)}:
            parts.append(f"`{name}` is {values[0]}")
        elif name == "retention_days":
            parts.append(f"retention {describe_box(space, box).retention}")
        else:
            stated = listed(values) if values else "not stated"
            parts.append(f"{_NOUNS.get(name, name)} {stated}")
    return "; ".join(parts) if parts else "all"
