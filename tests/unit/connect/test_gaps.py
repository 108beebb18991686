"""Gaps go into the spool as accesses do, under ids that depend on the input alone."""

from datetime import UTC, datetime

import pytest

from purposewatch_client import Client, ClientSettings, MemorySink, NotRecordedError
from purposewatch_connect.mapping import GapKind, Outcome, make_gap
from purposewatch_connect.pipeline import Input, Pipeline, SpoolError
from purposewatch_connect.spool import ClientSpool
from purposewatch_contract import SubmittedGap
from purposewatch_runtime.metrics import MetricSet
from tests.unit.connect.spools import MemorySpool

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DATASET = make_gap(
    GapKind.UNMAPPED_DATASET, "crm.public.cards", identity="1", time=NOON, controller="wework-labs"
)


class NothingMapped:
    """Stands in for a mapper."""

    def apply(self, _: object) -> Outcome:
        """Make a gap of everything."""
        return Outcome(gaps=(DATASET,))


def client(sink: MemorySink) -> Client:
    """A client as connectors configure it, that sends nothing."""
    settings = ClientSettings(
        source="/connector",
        ingest_url="http://localhost",
        key="k",
        on_error="raise",
        when_full="raise",
    )
    return Client(settings, sink)


def test_the_gaps_of_an_observation_are_in_the_spool() -> None:
    """Those of the mapping, and those that the connector found itself."""
    spool = MemorySpool()
    metrics = MetricSet("connect", version="0")
    pipeline = Pipeline("otlp", NothingMapped, spool, metrics, lambda: 0.0)  # type: ignore[arg-type]
    own = make_gap(GapKind.UNREADABLE_RECORD, "portal", identity="2", time=NOON)
    [published] = pipeline.publish([Input([object()], [own])])  # type: ignore[list-item]
    assert spool.gaps == [own, DATASET] == list(published.gaps)
    spool.is_full = True
    with pytest.raises(SpoolError):
        pipeline.publish([Input([object()])])  # type: ignore[list-item]


def test_a_gap_is_sent_as_ingest_takes_it() -> None:
    """With its id, and with the controller unless that is what is not known."""
    sink = MemorySink()
    spool = ClientSpool(client(sink))
    unknown = make_gap(
        GapKind.UNKNOWN_CONTROLLER, "acme", identity="3", time=NOON, controller="acme"
    )
    for gap in (DATASET, unknown):
        spool.append_gap(gap)
    first, second = (SubmittedGap.model_validate(gap) for gap in sink.gaps)
    assert (first.id, first.kind, first.name) == (DATASET.id, DATASET.kind, DATASET.name)
    assert (first.time, first.controller) == (NOON, "wework-labs")
    assert (second.name, second.controller) == ("acme", None)


def test_a_spool_without_room_lets_the_input_be_read_again() -> None:
    """As for accesses."""
    sink = MemorySink()

    def refuse(_: bytes, /) -> None:
        reason = "full"
        raise NotRecordedError(reason, "the spool is full")

    sink.append_gap = refuse  # type: ignore[method-assign]
    with pytest.raises(SpoolError):
        ClientSpool(client(sink)).append_gap(DATASET)
