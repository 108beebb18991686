"""Spans are started where a trace is sampled, and end with what they measure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from aiokafka import ConsumerRecord

from purposewatch_runtime.traces import NO_TRACES, Span, SpanBudget, SpanKind, Traces
from purposewatch_runtime.traces.span import Attribute

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
OTHER = f"00-{TRACE}-00f067aa0ba902b8-01"
NOT_SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


@dataclass
class KeptSpan:
    """A span that stays here."""

    name: str
    kind: SpanKind
    parent: str | None
    attributes: dict[str, Attribute]
    number: int
    ended: list[bool] = field(default_factory=list)

    @property
    def traceparent(self) -> str:
        """A name of its own."""
        return f"00-{TRACE}-{self.number:016x}-01"

    @property
    def trace_id(self) -> str:
        """That of all of them."""
        return TRACE

    def set(self, **attributes: Attribute) -> None:
        """Keep them."""
        self.attributes |= attributes

    def end(self, *, failed: bool = False) -> None:
        """Keep how it ended."""
        self.ended.append(failed)


class Kept:
    """Keeps the spans instead of exporting them."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self.closed = False

    def start(
        self, name: str, kind: SpanKind, parent: str | None, attributes: Mapping[str, Attribute]
    ) -> Span:
        """Start one."""
        span = KeptSpan(name, kind, parent, dict(attributes), len(self.spans) + 1)
        self.spans.append(span)
        return span

    def close(self) -> None:
        """Keep that it was closed."""
        self.closed = True


def record(offset: int, traceparent: bytes | None) -> ConsumerRecord[bytes | None, bytes | None]:
    """A record, with a header `traceparent` if there is one."""
    headers = () if traceparent is None else (("traceparent", traceparent),)
    return ConsumerRecord("events", 2, offset, 0, 0, None, b"{}", None, -1, -1, headers)


def traces(kept: Kept, ratio: float = 0) -> Traces:
    """Traces with all the spans that are wanted."""
    return Traces(kept, budget=SpanBudget(1_000), ratio=ratio)


def test_records_of_sampled_traces_have_spans_until_the_batch_ends() -> None:
    """Where the record is stands in its span; the header for what follows names that span."""
    kept = Kept()
    values = [None, SAMPLED.encode(), NOT_SAMPLED.encode(), b"\xff", OTHER.encode()]
    records = [record(number, value) for number, value in enumerate(values)]
    with traces(kept).records("audit", records) as spans:
        assert list(spans) == [1, 4]
        assert spans.headers(0) == ()
        assert (("traceparent", f"00-{TRACE}-{1:016x}-01".encode()),) == spans.headers(1)
        assert [each.ended for each in kept.spans] == [[], []]
    assert [each.parent for each in kept.spans] == [SAMPLED, OTHER]
    assert [each.attributes["messaging.kafka.offset"] for each in kept.spans] == [1, 4]
    assert [each.ended for each in kept.spans] == [[False], [False]]


def test_spans_of_a_batch_that_fails_say_so() -> None:
    """The error passes on."""
    kept = Kept()
    with (
        pytest.raises(ConnectionError),
        traces(kept).records("audit", [record(0, SAMPLED.encode())]),
    ):
        raise ConnectionError
    assert kept.spans[0].ended == [True]


def test_equal_parents_share_a_span() -> None:
    """The events of one request have one span in which they are published."""
    kept = Kept()
    parents = [SAMPLED, None, OTHER, SAMPLED, NOT_SAMPLED]
    with traces(kept).each("publish", SpanKind.PRODUCER, parents, {}) as spans:
        assert spans[0] is spans[3]
        assert list(spans) == [0, 2, 3]
    assert [each.ended for each in kept.spans] == [[False], [False]]


def test_a_request_without_a_parent_is_traced_as_the_ratio_says() -> None:
    """One with a parent follows that, whatever the ratio."""
    kept = Kept()
    never, always = traces(kept), traces(kept, ratio=1.0)
    with never.request("POST /v1/events", None) as span:
        assert span is None
    with always.request("POST /v1/events", NOT_SAMPLED) as span:
        assert span is None
    with never.request("POST /v1/events", SAMPLED) as span:
        assert span is not None
    with always.request("POST /v1/events", None) as span:
        assert span is not None
    assert [each.parent for each in kept.spans] == [SAMPLED, None]


class RefusedError(Exception):
    """A request that was refused."""

    status = 422


def test_a_refused_request_is_not_a_failure() -> None:
    """Its sender is at fault; an error of ours is a failure."""
    kept = Kept()
    for error in (RefusedError(), ValueError()):
        with pytest.raises(type(error)), traces(kept).request("POST /v1/events", SAMPLED):
            raise error
    assert [each.ended for each in kept.spans] == [[False], [True]]


def test_spans_over_the_limit_are_counted_and_not_started() -> None:
    """A publisher that samples everything does not decide what that costs."""
    kept = Kept()
    results: list[str] = []
    limited = Traces(kept, budget=SpanBudget(2), on_span=results.append)
    records = [record(number, SAMPLED.encode()) for number in range(5)]
    with limited.records("audit", records) as spans:
        assert list(spans) == [0, 1]
    assert results == ["started"] * 2 + ["over_limit"] * 3


async def test_nothing_is_traced_unless_it_is_on() -> None:
    """Neither records nor requests, and there is nothing to stop."""
    with NO_TRACES.records("audit", [record(0, SAMPLED.encode())]) as spans:
        assert not spans
    with NO_TRACES.request("POST /v1/events", SAMPLED) as span:
        assert span is None
    assert not NO_TRACES.is_on
    await NO_TRACES.stop()


async def test_stopping_exports_what_is_left() -> None:
    """The exporter is closed."""
    kept = Kept()
    await traces(kept).stop()
    assert kept.closed
