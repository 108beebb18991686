"""What the OpenAPI document says about requests that publish CloudEvents.

They are read by the contract's codec and not by the framework, so their schemas and the headers of
binary mode are described here.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from purposewatch_contract import read_example
from purposewatch_ingest.http.cloudevents.partial_success import Accepted
from purposewatch_ingest.http.description import (
    BEARER,
    ENCODING_HEADER,
    LIMIT_HEADERS,
    MISSING_FIELD,
    events_in_modes,
)

_BINARY_MODE = (
    "In binary mode (`application/json`) the context attribute of this name, percent-encoded, and "
    "not read in the other modes."
)
_TRACEPARENT_HEADER = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "W3C Trace Context of the request, for those without one of their own. An "
    "invalid one is ignored.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
_PREFER_HEADER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`handling=lenient` accepts the valid ones of a batch although others are "
    "refused (RFC 7240).",
    "schema": {"type": "string"},
    "example": "handling=lenient",
}


def accepted(noun: str, model: type[Accepted], **examples: Any) -> dict[str, Any]:
    """The response 202 to a request with some of them."""
    missing = MISSING_FIELD[noun].model_copy(update={"index": 1}).model_dump()
    return {
        "description": f"Every {noun} that `accepted` counts is acknowledged.",
        "model": model,
        "headers": {
            "Preference-Applied": {
                "schema": {"type": "string"},
                "description": "`handling=lenient` if that was preferred.",
            },
            **LIMIT_HEADERS,
        },
        "content": {
            "application/json": {
                "examples": {
                    "all": {"summary": f"Every {noun} is accepted", "value": {"accepted": 1}},
                    **examples,
                    "partial": {
                        "summary": "With `Prefer: handling=lenient`",
                        "value": {"accepted": 2, "refused": 1, "errors": [missing]},
                    },
                }
            }
        },
    }


def publishing(model: type[BaseModel], example_name: str, max_batch: int) -> dict[str, Any]:
    """What requests with such events hold: the body in each content mode, and the headers."""
    example = read_example(example_name)
    return {
        **BEARER,
        "parameters": [
            *_attribute_headers(model, example),
            _TRACEPARENT_HEADER,
            _PREFER_HEADER,
            ENCODING_HEADER,
        ],
        "requestBody": events_in_modes(model.__name__, _data_schema(model), example, max_batch),
    }


def _attribute_headers(model: type[BaseModel], example: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    example = {"traceparent": _TRACEPARENT_HEADER["example"], **example}
    headers = []
    for name, attribute in schema["properties"].items():
        if name in {"data", "datacontenttype"}:
            continue  # the content, and its Content-Type
        required = name in schema["required"]
        headers.append(
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": False,  # in the other modes the attributes are in the content
                "description": ("Required. " if required else "") + _BINARY_MODE,
                "schema": _text_schema(attribute),
                **({"example": example[name]} if name in example else {}),
            }
        )
    return headers


def _text_schema(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an attribute as a header, which can't be null."""
    schema = next(
        (each for each in attribute.get("anyOf", ()) if each.get("type") == "string"), attribute
    )
    return {
        key: value
        for key, value in schema.items()
        if key not in {"title", "description", "default"}
    }


def _data_schema(model: type[BaseModel]) -> str:
    """The name of the schema of its `data`."""
    data = model.model_fields["data"].annotation
    return data.__name__ if data is not None else ""
