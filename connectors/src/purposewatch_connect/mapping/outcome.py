"""What a mapping makes of an observation: accesses to publish, and gaps to count."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from purposewatch_contract import GapKind

_MAX_NAME = 200
_UNSAFE = re.compile(r"[^A-Za-z0-9._:/()$#-]")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was observed and could not be mapped. Names things, never values."""

    id: str
    """The same whenever the same input is read."""
    kind: GapKind
    name: str
    """Of the dataset, column, host or service; matches the contract's `GAP_NAME_PATTERN`."""
    time: datetime
    controller: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """One access to personal data, in vocabulary terms."""

    id: str
    """The same whenever the same input is read, so that a repeat is recognised."""
    time: datetime
    service: str | None
    """Who did it; a segment of the event's source."""
    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    data_categories: tuple[str, ...]
    subject_id: str = field(repr=False)
    source: str | None = None
    location: str | None = None
    retention_days: int | None = None
    legal_basis: str | None = None
    facts: Mapping[str, bool] = field(default_factory=dict)
    traceparent: str | None = None
    count: int = 1
    """How many accesses it stands for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one observation became. Neither means that it concerns no personal data."""

    accesses: tuple[Access, ...] = ()
    gaps: tuple[Gap, ...] = ()


def derived_id(*parts: str) -> str:
    """Return an event id that depends on these parts alone. They must hold no personal data."""
    return (
        "c" + blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()
    )


def gap_name(text: str) -> str:
    """Return a name that is bounded, and safe in a label, a log line and a page."""
    name = _UNSAFE.sub("_", text[:_MAX_NAME])
    if not name:
        return "(unnamed)"
    return name if re.match(r"[A-Za-z0-9_(]", name) else f"_{name[: _MAX_NAME - 1]}"


def make_gap(
    kind: GapKind, name: str, *, identity: str, time: datetime, controller: str | None = None
) -> Gap:
    """Return a gap whose id depends on the input's identity, the kind and the name."""
    name = gap_name(name)
    return Gap(derived_id(identity, kind, name), kind, name, time, controller)
