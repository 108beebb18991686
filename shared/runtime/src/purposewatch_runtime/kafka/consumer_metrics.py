"""The metrics of one consumer, except its lag."""

from purposewatch_runtime import metrics as m


class ConsumerMetrics:
    """Counts what a consumer of one topic does."""

    def __init__(self, topic: str, metric_set: m.MetricSet) -> None:
        for spec in (m.CONSUMER_RECORDS, m.CONSUMER_FAILURES, m.CONSUMER_REBALANCES):
            metric_set.start_at_zero(spec, [(topic,)])
        self.failures = metric_set.counter(m.CONSUMER_FAILURES).labels(topic)
        self.rebalances = metric_set.counter(m.CONSUMER_REBALANCES).labels(topic)
        self.stopped = metric_set.gauge(m.CONSUMER_STOPPED).labels(topic)
        self.stopped.set(0)
        self._records = metric_set.counter(m.CONSUMER_RECORDS).labels(topic)
        self._batch_records = metric_set.histogram(m.CONSUMER_BATCH_RECORDS).labels(topic)
        self._batch_seconds = metric_set.histogram(m.CONSUMER_BATCH_SECONDS).labels(topic)

    def finished(self, records: int, seconds: float) -> None:
        """A batch is finished."""
        self._records.inc(records)
        self._batch_records.observe(records)
        self._batch_seconds.observe(seconds)
