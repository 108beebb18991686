"""Attributes of OTLP as texts by name."""

from collections.abc import Iterable

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def texts_of(*groups: Iterable[KeyValue]) -> dict[str, str]:
    """Return the attributes of all groups; a later group's replace an earlier one's.

    A list becomes its items joined by commas. Attributes that are neither scalar nor a list of
    scalars are left out.
    """
    return {
        attribute.key: text
        for group in groups
        for attribute in group
        if (text := _text(attribute.value)) is not None
    }


def _text(value: AnyValue) -> str | None:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        return f"{value.double_value:g}"
    if kind == "array_value":
        items = [_text(item) for item in value.array_value.values]
        return ",".join(item for item in items if item is not None)
    return None
