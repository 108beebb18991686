"""Counts what an integration saw and could not turn into an event, by reason.

What is unresolved is never dropped silently: the first of each kind is logged, and the counts are a
metric. It is not an error of the application, which goes on.
"""

import logging
import os
import threading
from collections import Counter
from enum import StrEnum

_log = logging.getLogger("purposewatch_client")


class Unresolved(StrEnum):
    """What an access lacked."""

    STATEMENT = "statement"
    """Raw SQL about a tagged table: execute a statement of SQLAlchemy's, or record the access."""
    SUBJECT = "subject"
    """Nothing names the data subject: tag its column with `DataSubject`, or open an access."""
    CATEGORIES = "categories"
    """A request to a mapped host says nothing of its content; send it within `sending`."""
    INCOMPLETE = "incomplete"
    """No purpose, role or controller, or a wrong one: set them with `defaults`, or by route."""
    DEFECT = "defect"
    """The integration failed; the log has the traceback at level DEBUG. Report it."""


_counts: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()


def _renew_lock() -> None:
    """Replace the lock in a forked process, where its owner does not exist."""
    global _lock  # noqa: PLW0603 - the process has one
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def count_unresolved(integration: str, reason: Unresolved, what: str, number: int = 1) -> None:
    """Count accesses that could not be resolved. `what` is a name, never a value."""
    key = (integration, reason.value)
    with _lock:
        first = key not in _counts
        _counts[key] += number
    if first:
        _log.warning(
            "access not resolved: %s, %s: %s; further ones are counted",
            integration,
            reason.value,
            what,
        )


def unresolved_counts() -> dict[tuple[str, str], int]:
    """Return the number of unresolved accesses by integration and reason."""
    with _lock:
        return dict(_counts)
