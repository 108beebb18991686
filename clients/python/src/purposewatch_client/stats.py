"""What a client did, and whether it is well."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Health", "Stats", "assess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The counts of one process since it started, and what its spool holds now."""

    recorded: int = 0
    """Events, facts and gaps that are in the spool, or were."""
    queued: int = 0
    """Of these, those that are neither sent nor refused yet."""
    sent: int = 0
    """Events that ingest acknowledged; those of ended processes included."""
    facts_sent: int = 0
    """Facts, likewise."""
    gaps_sent: int = 0
    """Gaps, likewise."""
    invalid: int = 0
    """Calls with a wrong field."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Events, facts and gaps that ingest refused, by its reason."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Events and facts that were not recorded: `full`, `disk_full`, `unwritable`, `too_large`."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Requests that failed and are repeated, by reason."""
    failures_in_a_row: int = 0
    damaged: int = 0
    """Places in segments at which something other than a record was skipped."""
    torn: int = 0
    """Segments that ended with an unfinished record, which was skipped."""
    spool_bytes: int = 0
    """Of all processes that share the spool."""
    oldest_seconds: float = 0.0
    """Age of the oldest event in the spool; 0 without one."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether events reach ingest."""

    ok: bool
    detail: str


def assess(stats: Stats, *, max_age_seconds: float, max_bytes: int) -> Health:
    """Judge the counts. Pure."""
    if stats.oldest_seconds > max_age_seconds:
        last = ", ".join(sorted(stats.failures)) or "no request failed"
        return Health(
            ok=False,
            detail=f"an event has waited for {stats.oldest_seconds:.0f} s ({last})",
        )
    if stats.spool_bytes > 0.9 * max_bytes:
        return Health(ok=False, detail=f"the spool holds {stats.spool_bytes} of {max_bytes} bytes")
    return Health(ok=True, detail=f"{stats.spool_bytes} bytes in the spool")
