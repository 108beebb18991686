"""Binds the trace of the context to log records: for the standard library and for structlog."""

import logging
from collections.abc import MutableMapping
from typing import Any

import purposewatch_client as purposewatch


class TraceFilter(logging.Filter):
    """Sets `trace_id` and `span_id` on each record; empty outside a trace.

    Add it to a handler, so that it sees the records of all loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record."""
        record.trace_id, record.span_id = _trace()
        return True


def add_trace(
    _logger: object, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add `trace_id` and `span_id` within a trace: a processor for structlog."""
    trace_id, span_id = _trace()
    if trace_id:
        event_dict.setdefault("trace_id", trace_id)
        event_dict.setdefault("span_id", span_id)
    return event_dict


def _trace() -> tuple[str, str]:
    traceparent = purposewatch.current_defaults().get("traceparent")
    if not traceparent:
        return "", ""
    _, trace_id, span_id, _ = traceparent.split("-")
    return trace_id, span_id
