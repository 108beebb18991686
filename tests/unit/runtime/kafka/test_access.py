"""Rights are checked where somebody is authenticated."""

from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import KafkaAccess
from purposewatch_runtime.service import Check
from purposewatch_runtime.settings import KafkaSettings


async def test_nothing_is_asked_on_a_plaintext_connection() -> None:
    """No Kafka listens there, and the service starts all the same."""
    access = KafkaAccess(
        KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"),
        service="auditor",
        groups=["g"],
        client_id="test",
        metric_set=m.MetricSet("auditor", version="0"),
    )
    await access.start()
    assert await access.ready() == Check(ok=True, detail="not checked")
    await access.stop()
