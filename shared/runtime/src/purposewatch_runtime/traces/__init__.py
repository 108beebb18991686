"""Traces: the spans of sampled events, from the publisher's own span to the alert.

Off unless an endpoint is set. W3C Trace Context carries the trace: the field `traceparent` of an
event names its publisher's span, the header `traceparent` of a record the span before.
"""

from purposewatch_runtime.traces.sampling import SpanBudget, is_sampled
from purposewatch_runtime.traces.span import Span, SpanKind
from purposewatch_runtime.traces.traces import (
    NO_TRACES,
    Headers,
    Spans,
    Traces,
    build_traces,
)

__all__ = [
    "NO_TRACES",
    "Headers",
    "Span",
    "SpanBudget",
    "SpanKind",
    "Spans",
    "Traces",
    "build_traces",
    "is_sampled",
]
