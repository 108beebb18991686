"""Evaluation requests of the OpenID AuthZEN Authorization API 1.0, read as flows.

| AuthZEN | flow |
|---|---|
| `subject.type` | `role` of the data subject; `subject.id` is not used |
| `action.name` | `operation` |
| `resource.type` | always `data_category` |
| `resource.id`, `resource.properties.data_categories` | `data_categories` |
| `context` | every other field by its name, and `time`, which is now unless stated |

As the specification demands, fields that it and this mapping do not know are ignored.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from purposewatch_contract import EVENT_TYPE, ErrorClass
from purposewatch_contract.submission import FieldError, RefusedError

RESOURCE_TYPE = "data_category"
CONTEXT_FIELDS = (
    "controller",
    "purpose",
    "recipient",
    "source",
    "location",
    "retention_days",
    "legal_basis",
    "facts",
)
_ENTITIES = (("subject", ("type", "id")), ("action", ("name",)), ("resource", ("type", "id")))
_CATEGORIES = "/resource/properties/data_categories"
_FIELDS = {
    "/data/role": "/subject/type",
    "/data/operation": "/action/name",
    "/data/data_categories": _CATEGORIES,
    "/data/data_categories/0": "/resource/id",
    "/time": "/context/time",
}


class Semantic(StrEnum):
    """When the evaluations of one request end."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, decision: bool) -> bool:
        """Whether no further request is evaluated after a decision."""
        if self is Semantic.EXECUTE_ALL:
            return False
        return decision is (self is Semantic.PERMIT_ON_FIRST_PERMIT)


def requests_in(document: object) -> list[object] | None:
    """Return the single requests of an evaluations request, with the defaults filled in.

    `None` for a request without `evaluations`, which is to be treated as a single one.
    """
    if not isinstance(document, dict):
        raise _refused(at="", detail="must be a JSON object")
    evaluations = document.get("evaluations")
    if evaluations is None or evaluations == []:
        return None
    if not isinstance(evaluations, list) or not all(isinstance(each, dict) for each in evaluations):
        raise _refused(at="/evaluations", detail="must be a list of objects")
    names = ("subject", "action", "resource", "context")
    defaults = {name: document[name] for name in names if name in document}
    return [{**defaults, **each} for each in evaluations]


def semantic_of(document: Mapping[str, Any]) -> Semantic:
    """Return which semantic an evaluations request asks for."""
    options = document.get("options", {})
    if not isinstance(options, dict):
        raise _refused(at="/options", detail="must be an object or left out")
    try:
        return Semantic(options.get("evaluations_semantic", Semantic.EXECUTE_ALL))
    except ValueError:
        allowed = ", ".join(f"`{each}`" for each in Semantic)
        raise _refused(
            at="/options/evaluations_semantic", detail=f"must be one of {allowed}"
        ) from None


def event_of(request: object, source: str, now: datetime) -> dict[str, Any]:
    """Return the event, in parsed JSON, about which an evaluation request asks."""
    if not isinstance(request, dict):
        raise _refused(at="", detail="must be a JSON object")
    for name, keys in _ENTITIES:
        entity = request.get(name)
        if not isinstance(entity, dict):
            raise _refused(at=f"/{name}", detail="must be an object; add it")
        for key in keys:
            if not isinstance(entity.get(key), str):
                raise _refused(at=f"/{name}/{key}", detail="must be a text; add it")
        _optional_object(entity, "properties", f"/{name}/properties")
    if request["resource"]["type"] != RESOURCE_TYPE:
        raise _refused(at="/resource/type", detail=f"must be `{RESOURCE_TYPE}`")
    further = request["resource"].get("properties", {}).get("data_categories", [])
    if not isinstance(further, list):
        raise _refused(at=_CATEGORIES, detail="must be a list of vocabulary terms or left out")
    context = _optional_object(request, "context", "/context")
    data = {name: context[name] for name in CONTEXT_FIELDS if name in context}
    return {
        "specversion": "1.0",
        "id": "evaluation",
        "source": source,
        "type": EVENT_TYPE,
        "time": context.get("time", now.isoformat()),
        "data": {
            **data,
            "role": request["subject"]["type"],
            "operation": request["action"]["name"],
            "data_categories": [request["resource"]["id"], *further],
        },
    }


def named_as_in_request(error: FieldError) -> FieldError:
    """Return a fault of the event with the place that its field has in the request."""
    field = _FIELDS.get(error.field)
    if field is None:
        at = re.fullmatch(r"/data/data_categories/(\d+)", error.field)
        field = (
            f"{_CATEGORIES}/{int(at[1]) - 1}" if at else error.field.replace("/data", "/context")
        )
    return FieldError(field, error.detail)


def _optional_object(parent: Mapping[str, Any], name: str, pointer: str) -> dict[str, Any]:
    value = parent.get(name, {})
    if not isinstance(value, dict):
        raise _refused(at=pointer, detail="must be an object or left out")
    return value


def _refused(*, at: str, detail: str) -> RefusedError:
    return RefusedError(ErrorClass.INVALID_EVENT, FieldError(at, detail))
