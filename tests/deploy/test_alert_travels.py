"""The path of an alert: a publisher's fault, the ledger, Prometheus, Alertmanager."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from purposewatch_demo.deliver import STRUCTURED
from purposewatch_demo.flows import Transport, planned_traffic
from purposewatch_demo.tally import Recorded
from purposewatch_demo.traffic import Traffic
from tests.deploy.scene import Scene

NAME = "PurposewatchIdConflicts"


def some_event() -> tuple[str, dict[str, Any]]:
    """A publisher and an event of it that ingest accepts."""
    traffic = Traffic(planned_traffic(), seed=4711, largest=1)
    while True:
        batch = traffic.next(datetime.now(UTC))
        [item] = batch.items
        if batch.transport is Transport.SINGLE and isinstance(item.expected, Recorded):
            return batch.publisher, json.loads(item.body)


@pytest.mark.asyncio(loop_scope="session")
async def test_an_id_that_is_used_twice_reaches_on_call(scene: Scene) -> None:
    """With its words, its link to the runbook, and without the label that the link is made of."""
    publisher, event = some_event()
    for subject in ("one", "another"):
        event["data"]["subject_id"] = subject
        answer = await scene.ingest.post(
            "/v1/events",
            content=json.dumps(event),
            headers={
                "Content-Type": STRUCTURED,
                "Authorization": f"Bearer {scene.stage.keys[publisher]}",
            },
        )
        assert answer.status_code == 202, answer.text
    found: list[dict[str, Any]] = []
    for _ in range(120):
        found = await scene.alertmanager.alerts(alertname=NAME)
        if found:
            break
        await asyncio.sleep(0.5)

    [alert] = found
    assert alert["labels"] == {"alertname": NAME, "severity": "warning", "audience": "oncall"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{NAME}.md"
    assert "recorded before with different content" in alert["annotations"]["description"]
    assert [receiver["name"] for receiver in alert["receivers"]] == ["oncall"]
