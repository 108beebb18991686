"""One event, followed by its trace from the publisher's own span to the alert."""

import asyncio
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from purposewatch_contract import EXAMPLE_DIR
from tests.harness.broker import RunningBroker
from tests.harness.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving_spans
from tests.harness.scrape import get
from tests.integration.platform import Platform, platform_on
from tests.integration.test_alerting import receiving

KEY = "pwk_a-key-for-tests"
EXAMPLE = json.loads((EXAMPLE_DIR / "submitted-event.json").read_text())
EXAMPLE.pop("traceparent", None)
VIOLATION = {"operation": "share", "recipient": "third_party.advertising"}
ALERTING = """
channels:
  hook: {type: webhook, url: "http://%s/"}
default: [hook]
"""


def event(number: int, **more: Any) -> dict[str, Any]:
    """A violation."""
    return {
        **EXAMPLE,
        "id": f"traced-{number}",
        "source": "/crm",
        "time": datetime.now(UTC).isoformat(),
        "data": {**EXAMPLE["data"], **VIOLATION, "subject_id": f"subject-{number}"},
        **more,
    }


def publish_within_a_span(url: str, endpoint: str) -> ReceivedSpan:
    """Publish an event as a service does that has traces of its own: its span."""
    provider = TracerProvider(resource=Resource({"service.name": "crm"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint)))
    with provider.get_tracer("crm").start_as_current_span("send campaign") as span:
        context = span.get_span_context()
        trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        post(url, [event(1, traceparent=f"00-{trace_id}-{span_id}-01")])
    provider.shutdown()
    return ReceivedSpan("crm", "send campaign", trace_id, span_id, "", {}, failed=False)


def post(url: str, events: Sequence[Any], **headers: str) -> None:
    """Publish events, and have them accepted."""
    answer = httpx.post(
        f"{url}/v1/events",
        content=json.dumps(events),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/cloudevents-batch+json",
            **headers,
        },
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text


async def spans_of(
    receiver: OtlpReceiver, trace_id: str, names: Collection[str]
) -> dict[str, ReceivedSpan]:
    """The spans of a trace by name, once all of these are there: each service exports its own."""
    async with asyncio.timeout(30):
        while True:
            found = {each.name: each for each in receiver.spans if each.trace_id == trace_id}
            if found.keys() >= set(names):
                return found
            await asyncio.sleep(0.05)


async def exemplars(platform: Platform) -> str:
    """The auditor's metrics in the format that has exemplars."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"http://127.0.0.1:{platform.auditor.port}/metrics",
            headers={"Accept": "application/openmetrics-text; version=1.0.0"},
        )
    return answer.text


@pytest.mark.parametrize(
    "broker", [pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)], indirect=True
)
async def test_a_trace_leads_from_the_publisher_to_the_alert(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """Each service adds its span below the one before, and nothing else is traced."""
    register = tmp_path / "register.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    register.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n"
    )
    alerting = tmp_path / "alerting.yaml"
    with receiving_spans() as receiver, receiving() as hook:
        alerting.write_text(ALERTING % hook.address)
        async with platform_on(
            broker,
            topic_prefix,
            tmp_path,
            PURPOSEWATCH_PUBLISHERS_FILE=str(register),
            PURPOSEWATCH_REPORTER_ALERTING_FILE=str(alerting),
            PURPOSEWATCH_TRACES_ENDPOINT=receiver.endpoint,
            PURPOSEWATCH_TRACES_RATIO="0",
        ) as platform:
            url = f"http://127.0.0.1:{platform.ingest.port}"
            await asyncio.to_thread(post, url, [event(2), event(3)])
            own = await asyncio.to_thread(publish_within_a_span, url, receiver.endpoint)
            publish = f"publish {platform.name('events')}"
            names = ("send campaign", publish, "audit", "record", "alert")
            spans = await spans_of(receiver, own.trace_id, names)
            metrics = await exemplars(platform)
            plain = (await get(platform.auditor, "/metrics")).text

    sent, published, audited, recorded, alerted = (spans[name] for name in names)
    assert own.span_id == sent.span_id
    assert [
        ("purposewatch-ingest", own.span_id),
        ("purposewatch-auditor", published.span_id),
        ("purposewatch-reporter", audited.span_id),
        ("purposewatch-reporter", own.span_id),
    ] == [(each.service, each.parent_id) for each in (published, audited, recorded, alerted)]
    assert audited.attributes["purposewatch.kind"] == "undeclared_third_party_sharing"
    assert audited.attributes["purposewatch.event.id"] == "traced-1"
    assert alerted.attributes["purposewatch.alert.result"] == "delivered"
    assert not any(each.failed for each in receiver.spans)
    assert {own.trace_id} == {each.trace_id for each in receiver.spans}
    assert f'# {{trace_id="{own.trace_id}"}}' in metrics
    assert own.trace_id not in plain
