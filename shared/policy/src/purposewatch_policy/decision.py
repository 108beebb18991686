"""What is decided about an event: the outcome, its kind, and the reasons.

The verdict message embeds them unchanged. Several are made for each event, so making one is to cost
little: they are plain classes, which can be compiled, and become dataclasses below. They are
immutable by convention: enforcing it costs five times as much as the rest of making an instance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from purposewatch_policy.kinds import (
    DIMENSION_FIELDS,
    FLOW_FIELDS,
    PROHIBITING,
    Dimension,
    Grade,
    Kind,
    Outcome,
)

__all__ = [
    "DIMENSION_FIELDS",
    "FLOW_FIELDS",
    "PROHIBITING",
    "CategoryDecision",
    "Decision",
    "Dimension",
    "FailedDimension",
    "Grade",
    "Kind",
    "Outcome",
]

_T = TypeVar("_T")

try:
    from mypy_extensions import mypyc_attr
except ImportError:  # only the compiler needs it

    def mypyc_attr(*_: str, **__: object) -> Callable[[_T], _T]:
        """Do nothing."""
        return lambda cls: cls


def _make_dataclass(cls: type, **fields: str) -> None:
    """Make a class a dataclass with the fields that it declares.

    A compiled class keeps neither annotations nor slots; what reads, writes and copies dataclasses
    goes by them. How it keeps its attributes would be taken for their defaults.
    """
    attributes = {name: cls.__dict__[name] for name in fields}
    for name in fields:
        type.__delattr__(cls, name)
    type.__setattr__(cls, "__annotations__", fields)
    type.__setattr__(cls, "__slots__", tuple(fields))
    dataclass(init=False, unsafe_hash=True)(cls)
    for name, attribute in attributes.items():
        type.__setattr__(cls, name, attribute)


@mypyc_attr(allow_interpreted_subclasses=True)
class FailedDimension:
    """One dimension in which the nearest statement, or a prohibition, does not cover the flow."""

    __slots__ = ("actual", "dimension", "expected")

    dimension: Dimension
    expected: tuple[str, ...]
    """What the statement names, in its own order; of a prohibition, below what the event states."""
    actual: str | None
    """What the event states; `None` when it states nothing."""

    def __init__(
        self,
        dimension: Dimension,
        expected: tuple[str, ...],
        actual: str | None,
    ) -> None:
        self.dimension = dimension
        self.expected = expected
        self.actual = actual


_make_dataclass(
    FailedDimension,
    dimension="Dimension",
    expected="tuple[str, ...]",
    actual="str | None",
)


@mypyc_attr(allow_interpreted_subclasses=True)
class CategoryDecision:
    """The decision about one data category of an event."""

    __slots__ = (
        "clause",
        "data_category",
        "distance",
        "failed",
        "grade",
        "kind",
        "outcome",
        "sentence",
        "statement",
    )

    data_category: str
    outcome: Outcome
    kind: Kind | None
    """Set exactly when the outcome is a violation."""
    grade: Grade | None
    """`None` exactly when the outcome is unknown."""
    distance: int | None
    """Steps from the event's category, purpose and recipient up to the deciding statement's."""
    statement: str | None
    """Id of the deciding statement, or of the nearest miss."""
    clause: str | None
    """Where that statement is in the source document."""
    failed: tuple[FailedDimension, ...]
    """Empty unless the statement is a nearest miss, or prohibits a part of the flow."""
    sentence: str
    """The reason, in one plain English sentence."""

    def __init__(  # noqa: PLR0913, PLR0917 - a field each
        self,
        data_category: str,
        outcome: Outcome,
        kind: Kind | None,
        grade: Grade | None,
        distance: int | None,
        statement: str | None,
        clause: str | None,
        failed: tuple[FailedDimension, ...],
        sentence: str,
    ) -> None:
        self.data_category = data_category
        self.outcome = outcome
        self.kind = kind
        self.grade = grade
        self.distance = distance
        self.statement = statement
        self.clause = clause
        self.failed = failed
        self.sentence = sentence

    @property
    def is_nearest_miss(self) -> bool:
        """Whether the statement is the nearest miss, instead of the one that decides."""
        return bool(self.failed) and self.kind is not Kind.PROHIBITED_IN_PART


_make_dataclass(
    CategoryDecision,
    data_category="str",
    outcome="Outcome",
    kind="Kind | None",
    grade="Grade | None",
    distance="int | None",
    statement="str | None",
    clause="str | None",
    failed="tuple[FailedDimension, ...]",
    sentence="str",
)


@mypyc_attr(allow_interpreted_subclasses=True)
class Decision:
    """The decision about one event, with what is needed to reproduce it."""

    __slots__ = ("categories", "kind", "outcome", "policy_digest", "policy_version")

    outcome: Outcome
    kind: Kind | None
    policy_version: str | None
    policy_digest: str | None
    """SHA-256 (hex) of the policy version together with its vocabulary."""
    categories: tuple[CategoryDecision, ...]
    """One per data category, in the event's order."""

    def __init__(
        self,
        outcome: Outcome,
        kind: Kind | None,
        policy_version: str | None,
        policy_digest: str | None,
        categories: tuple[CategoryDecision, ...],
    ) -> None:
        self.outcome = outcome
        self.kind = kind
        self.policy_version = policy_version
        self.policy_digest = policy_digest
        self.categories = categories


_make_dataclass(
    Decision,
    outcome="Outcome",
    kind="Kind | None",
    policy_version="str | None",
    policy_digest="str | None",
    categories="tuple[CategoryDecision, ...]",
)
