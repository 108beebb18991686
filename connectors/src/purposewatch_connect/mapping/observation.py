"""What a connector observed, before the mapping says what it means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from purposewatch_connect.mapping.model import NO_TERMS, Terms


class Derivation(StrEnum):
    """How a written column was made of others, if it may no longer hold what they hold."""

    MASKED = "masked"
    AGGREGATED = "aggregated"


class Action(StrEnum):
    """What was done, in the words of systems. The mapping gives each its operation."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Observation:
    """One use of a dataset, one call of a host, or one access that the input itself states.

    It may hold identifiers of data subjects. Log none of it.
    """

    identity: str
    """Identifies it for all time, and is the same when the input is read again: the ids of the
    events are made of it. Holds no personal data."""
    time: datetime
    action: Action
    services: tuple[str, ...] = ()
    """Names of the acting service, the preferred one first: the first that the mapping knows
    counts. The last is the name that a gap shows."""
    dataset: str | None = None
    """The table, bucket or topic that was used, by its full name."""
    aliases: tuple[str, ...] = ()
    """Other names of the dataset: the first name that the mapping knows counts."""
    columns: tuple[str, ...] | None = ()
    """The columns of the dataset that were used; `None` if it is unknown which."""
    derivations: Mapping[str, Derivation] = field(default_factory=dict)
    """How columns were made, by name; the mapping says what that sheds."""
    host: str | None = None
    """The host that was called."""
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values to which the use was limited, by column in lower case."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the input says besides, by name."""
    terms: Terms = NO_TERMS
    """What the input itself states about the access."""
    categories: tuple[str, ...] = ()
    """Data categories that the input itself states; then the dataset's are not looked up."""
    subject_id: str | None = None
    """The data subject that the input itself states."""
    traceparent: str | None = None
    label: str | None = None
    """What a gap calls the dataset, if its name could hold personal data as an object's key can."""
