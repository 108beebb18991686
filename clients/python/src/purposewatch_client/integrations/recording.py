"""Records what an integration saw, with what the context says about it."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import purposewatch_client as purposewatch
from purposewatch_client.unresolved import Unresolved, count_unresolved

_log = logging.getLogger("purposewatch_client")

_OF_ONE_EVENT = frozenset({"categories", "id", "time", "facts", "recipient", "operation"})
"""Fields of an open access that do not hold for other accesses within its block."""

_REQUIRED = ("controller", "role", "purpose")


@contextmanager
def never_failing(integration: str, what: str) -> Iterator[None]:
    """Count a defect of an integration, instead of failing the query or request that it observes.

    `NotRecordedError` passes: the application chose that a full spool stops it.
    """
    try:
        yield
    except purposewatch.NotRecordedError:
        raise
    except Exception as error:  # noqa: BLE001 - what is audited goes on, whatever happens
        count_unresolved(integration, Unresolved.DEFECT, f"{what} ({type(error).__name__})")
        _log.debug("defect of an integration", exc_info=True)


def record_resolved(
    integration: str,
    what: str,
    *,
    operation: str,
    categories: Iterable[str],
    **fields: Any,
) -> None:
    """Record an access, or add its categories to the open access that it is a part of.

    What `fields` leave out comes from the open access, then from the defaults. It is a part of the
    open access if operation, recipient, purpose, role and subject are the same, or the subject of
    both is not known yet. Never raises because of what is missing: that is counted as unresolved,
    since the application's work must go on.
    """
    access = purposewatch.current_access()
    of_access: Mapping[str, Any] = access.fields if access is not None else {}
    known = {
        **purposewatch.get_client().settings.defaults,
        **purposewatch.current_defaults(),
        **{name: value for name, value in of_access.items() if name not in _OF_ONE_EVENT},
        **{name: value for name, value in fields.items() if value is not None},
    }
    if access is not None and _is_part(known, operation, access.fields):
        access.add(*categories)
        if access.fields.get("role") is None:
            access.set(role=known.get("role"))  # that of the tagged table
        return
    if known.get("subject") is None:
        count_unresolved(integration, Unresolved.SUBJECT, what)
        return
    if missing := [name for name in _REQUIRED if known.get(name) is None]:
        count_unresolved(integration, Unresolved.INCOMPLETE, f"{what} (no {', '.join(missing)})")
        return
    try:
        purposewatch.record(**{**known, "operation": operation, "categories": list(categories)})
    except purposewatch.EventError as error:
        count_unresolved(integration, Unresolved.INCOMPLETE, f"{what} ({error})")


def _is_part(known: Mapping[str, Any], operation: str, access: Mapping[str, Any]) -> bool:
    return (
        str(known.get("subject")) == str(access.get("subject", known.get("subject")))
        and operation == access.get("operation")
        and all(
            known.get(name) == access.get(name, known.get(name))
            for name in ("recipient", "purpose", "role")
        )
    )
