"""What a span is, whoever exports it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, TypeAlias

Attribute: TypeAlias = str | int | float | bool


class SpanKind(StrEnum):
    """What a span is, in OpenTelemetry's terms."""

    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    CLIENT = "client"


class Span(Protocol):
    """A span that has begun."""

    @property
    def traceparent(self) -> str:
        """Names this span to what comes after it."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes; `__` in a name stands for a dot."""

    def end(self, *, failed: bool = False) -> None:
        """End it now."""


class Exporter(Protocol):
    """Makes spans and exports them."""

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: str | None,
        attributes: Mapping[str, Attribute],
    ) -> Span:
        """Start a span, below a parent that is named by its `traceparent`."""

    def close(self) -> None:
        """Export what is left, for a few seconds at most."""
