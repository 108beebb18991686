"""Counts and reports the gaps that integrations find: accesses that they could not state as events.

The first of each kind is logged, the counts are a metric, and each is sent to ingest. A gap is no
error of the application, which goes on.
"""

import logging
import os
import re
import threading
from collections import Counter
from enum import StrEnum

from purposewatch_client.api import get_client, record_gap
from purposewatch_client.context import current_defaults

__all__ = ["GapKind", "count_gap", "gap_counts"]

_log = logging.getLogger("purposewatch_client")

_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9._:/()$#-]")
_BEGINS_NAME = re.compile(r"[A-Za-z0-9_(]")
_MAX_NAME = 200


class GapKind(StrEnum):
    """Why an access could not be stated, in the words of ingest."""

    UNRESOLVED_SUBJECT = "unresolved_subject"
    """Nothing names the data subject: tag its column with `DataSubject`, or open an access."""
    UNPARSED_STATEMENT = "unparsed_statement"
    """Raw SQL about a tagged table: execute a statement of SQLAlchemy's, or record the access."""
    UNMAPPED_DATASET = "unmapped_dataset"
    """A request to a mapped host says nothing of its content: send it within `sending`."""
    UNKNOWN_PURPOSE = "unknown_purpose"
    """No purpose: set it with `defaults`, or by route."""
    UNKNOWN_ROLE = "unknown_role"
    """No role of the data subject: state it in `DataSubject`, or with `defaults`."""
    UNKNOWN_CONTROLLER = "unknown_controller"
    """No controller: `configure` the client with it."""
    UNKNOWN_TERM = "unknown_term"
    """A field is not of the right form."""
    UNREADABLE_RECORD = "unreadable_record"
    """The integration failed; the log has the traceback at level DEBUG. Report it."""


_counts: Counter[tuple[str, str, str]] = Counter()
_lock = threading.Lock()


def _renew_lock() -> None:
    """Replace the lock in a forked process, where its owner does not exist."""
    global _lock  # noqa: PLW0603 - the process has one
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def count_gap(integration: str, kind: GapKind, name: str, number: int = 1) -> None:
    """Count and report accesses that could not be stated.

    `name` is a table's or a host's, never a value. Raises `NotRecordedError` if a full spool is to
    stop the application.
    """
    name = _NOT_OF_NAMES.sub("_", name)[:_MAX_NAME]
    if not _BEGINS_NAME.match(name):
        name = f"_{name[: _MAX_NAME - 1]}"
    key = (integration, kind.value, name)
    with _lock:
        first = key not in _counts
        _counts[key] += number
    if first:
        _log.warning("gap: %s, %s of %s; further ones are counted", integration, kind.value, name)
    controller = current_defaults().get("controller") or get_client().settings.controller
    record_gap(kind.value, name, count=number, controller=controller)


def gap_counts() -> dict[tuple[str, str, str], int]:
    """Return the number of accesses by integration, kind of gap and name."""
    with _lock:
        return dict(_counts)
