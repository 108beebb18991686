"""A dead channel is seen, and the others are told."""

from datetime import timedelta

from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.channel_watch import ChannelWatch
from purposewatch_reporter.alerts.routing import AppriseSpec, Routing
from purposewatch_reporter.store import tables
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import GaugeSpec
from tests.unit.reporter.alerts.conftest import Bench, FakeChannel


def watch(bench: Bench) -> ChannelWatch:
    """A watch over two channels, to which five minutes are dead."""
    return ChannelWatch(
        bench.database,
        channels=("hook", "other"),
        dead_after=timedelta(minutes=5),
        metric_set=bench.metrics,
        clock=lambda: bench.now,
    )


def gauge(bench: Bench, spec: GaugeSpec, *labels: str) -> float:
    """A gauge's value."""
    return float(bench.metrics.gauge(spec).labels(*labels)._value.get())


async def test_a_dead_channel_is_told_on_the_others(bench: Bench) -> None:
    """Not on itself; and that it works again is told as well."""
    specs = tuple(AppriseSpec(name, None) for name in ("hook", "other"))  # type: ignore[arg-type]
    bench.routing = Routing(specs=specs, default=("hook", "other"))
    await bench.violate("user.a")
    await bench.advance()
    bench.channel.answer = lambda *_: Attempt(Result.FAILED, "ConnectError")
    deliverer = bench.deliverer()
    await deliverer.deliver()
    await watch(bench).refresh()
    assert await bench.rows(tables.notices) == []
    bench.later(minutes=5)
    for _ in range(3):
        await watch(bench).refresh()
    [notice] = await bench.rows(tables.notices)
    assert (notice.kind, notice.key, notice.state, notice.severity) == (
        "channel",
        "hook",
        "firing",
        "critical",
    )
    assert notice.summary == (
        "No alert gets through on channel `hook` since 2026-03-02T09:00:00+00:00: ConnectError."
    )
    assert gauge(bench, m.ALERT_CHANNEL_FAILING_SECONDS, "hook") == 300
    assert gauge(bench, m.OUTBOX_DEPTH, "hook") == 1
    assert gauge(bench, m.OUTBOX_OLDEST_SECONDS, "hook") == 300
    assert gauge(bench, m.FINDINGS, "firing", "medium") == 1
    await bench.advance()
    rows = [row for row in await bench.rows() if row.source == "notice"]
    assert [row.channel for row in rows] == ["other"]
    bench.channel.answer = lambda *_: Attempt(Result.DELIVERED)
    await deliverer.deliver()
    await watch(bench).refresh()
    assert gauge(bench, m.ALERT_CHANNEL_FAILING_SECONDS, "hook") == 0
    other = FakeChannel()
    other.name = "other"
    telling = bench.deliverer(other)
    for _ in range(3):
        await telling.deliver()
    told = [(alert.labels.get("key"), str(alert.state)) for [alert] in other.sent]
    assert told[1:] == [("hook", "firing"), ("hook", "resolved")]


async def test_a_channel_that_refuses_everything_is_dead_too(bench: Bench) -> None:
    """A receiver that answers "bad request" to all gets nothing through."""
    await bench.violate("user.a")
    await bench.advance()
    bench.channel.answer = lambda *_: Attempt(Result.REFUSED, "HTTP 400")
    await bench.deliverer().deliver()
    bench.later(minutes=6)
    await watch(bench).refresh()
    [notice] = await bench.rows(tables.notices)
    assert notice.summary.endswith("HTTP 400.")
