"""Records what an integration saw, with what the context says about it."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import purposewatch_client as purposewatch
from purposewatch_client.gap_counter import GapKind, count_gap

_log = logging.getLogger("purposewatch_client")

_OF_ONE_EVENT = frozenset({"categories", "id", "time", "facts", "recipient", "operation"})
"""Fields of an open access that do not hold for other accesses within its block."""

_REQUIRED = {
    "purpose": GapKind.UNKNOWN_PURPOSE,
    "role": GapKind.UNKNOWN_ROLE,
    "controller": GapKind.UNKNOWN_CONTROLLER,
}
"""The fields without which there is no event, and the gap that there is then."""


@contextmanager
def never_failing(integration: str, name: str) -> Iterator[None]:
    """Count a defect of an integration, instead of failing the query or request that it observes.

    `NotRecordedError` passes: the application chose that a full spool stops it.
    """
    try:
        yield
    except purposewatch.NotRecordedError:
        raise
    except Exception:  # noqa: BLE001 - what is audited goes on, whatever happens
        count_gap(integration, GapKind.UNREADABLE_RECORD, name)
        _log.debug("integration failed", exc_info=True)


def record_resolved(
    integration: str,
    name: str,
    *,
    operation: str,
    categories: Iterable[str],
    **fields: Any,
) -> None:
    """Record an access, or add its categories to the open access that it is a part of.

    What `fields` leave out comes from the open access, then from the defaults. It is a part of the
    open access if operation, recipient, purpose, role and subject are the same, or the subject of
    both is not known yet. Never raises because of what is missing: that is a gap with this name,
    since the application's work must go on.
    """
    access = purposewatch.current_access()
    of_access: Mapping[str, Any] = access.fields if access is not None else {}
    known = {
        **purposewatch.get_client().settings.defaults,
        **purposewatch.current_defaults(),
        **{each: value for each, value in of_access.items() if each not in _OF_ONE_EVENT},
        **{each: value for each, value in fields.items() if value is not None},
    }
    if access is not None and _is_part(known, operation, access.fields):
        access.add(*categories)
        if access.fields.get("role") is None:
            access.set(role=known.get("role"))  # that of the tagged table
        return
    if known.get("subject") is None:
        count_gap(integration, GapKind.UNRESOLVED_SUBJECT, name)
        return
    for field, kind in _REQUIRED.items():
        if known.get(field) is None:
            count_gap(integration, kind, name)
            return
    try:
        purposewatch.record(**{**known, "operation": operation, "categories": list(categories)})
    except purposewatch.EventError as error:
        count_gap(integration, GapKind.UNKNOWN_TERM, name)
        _log.warning("event not recorded: %s", error)


def _is_part(known: Mapping[str, Any], operation: str, access: Mapping[str, Any]) -> bool:
    return (
        str(known.get("subject")) == str(access.get("subject", known.get("subject")))
        and operation == access.get("operation")
        and all(
            known.get(name) == access.get(name, known.get(name))
            for name in ("recipient", "purpose", "role")
        )
    )
