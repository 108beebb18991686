"""Records what an integration saw, with what the context says about it."""

from collections.abc import Iterable, Mapping
from typing import Any

import purposewatch_client as purposewatch
from purposewatch_client.unresolved import Unresolved, count_unresolved

_OF_ONE_EVENT = frozenset({"categories", "id", "time", "facts", "recipient", "operation"})
"""Fields of an open access that do not hold for other accesses within its block."""


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
    open access if subject, operation and recipient are the same. Never raises because of what is
    missing: that is counted as unresolved, since the application's work must go on.
    """
    access = purposewatch.current_access()
    of_access: Mapping[str, Any] = access.fields if access is not None else {}
    known = {
        **purposewatch.current_defaults(),
        **{name: value for name, value in of_access.items() if name not in _OF_ONE_EVENT},
        **{name: value for name, value in fields.items() if value is not None},
    }
    if known.get("subject") is None:
        count_unresolved(integration, Unresolved.SUBJECT, what)
        return
    if access is not None and _is_part(known, operation, access.fields):
        access.add(*categories)
        return
    try:
        purposewatch.record(**{**known, "operation": operation, "categories": list(categories)})
    except purposewatch.EventError as error:
        count_unresolved(integration, Unresolved.INCOMPLETE, f"{what} ({error})")


def _is_part(known: Mapping[str, Any], operation: str, access: Mapping[str, Any]) -> bool:
    return (
        str(known["subject"]) == str(access.get("subject"))
        and operation == access.get("operation")
        and all(
            known.get(name) == access.get(name, known.get(name))
            for name in ("recipient", "purpose", "role")
        )
    )
