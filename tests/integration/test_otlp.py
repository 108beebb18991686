"""The OTLP receivers as a process of their own."""

import asyncio
import sys
from pathlib import Path

import httpx

from tests.harness.environment import POLICIES, variables
from tests.harness.fake_ingest import FakeIngest, Reply
from tests.harness.ports import take_port
from tests.harness.process import Server

ROOT = Path(__file__).parents[2]
SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "startTimeUnixNano": "1772439300000000000",
    "attributes": [
        {"key": "service.name", "value": {"stringValue": "portal"}},
        {"key": "db.system.name", "value": {"stringValue": "postgresql"}},
        {"key": "db.namespace", "value": {"stringValue": "portal"}},
        {
            "key": "db.query.text",
            "value": {"stringValue": "SELECT email FROM members WHERE member_id = 'm-7'"},
        },
    ],
}


async def test_what_was_acknowledged_survives_a_crash(tmp_path: Path) -> None:
    """Ingest is away, the process is killed after its answer, and the event arrives all the same.

    An exporter that got no answer sends the span again: it is the same event.
    """
    with FakeIngest() as ingest:
        ingest.answer = lambda _: Reply(503)
        settings = variables(
            connect_mapping_file=ROOT / "connectors" / "examples" / "mapping.yaml",
            connect_otlp_http_port=(port := take_port()),
            connect_otlp_grpc_port=take_port(),
            policies_dir=POLICIES,
            client_ingest_url=ingest.url,
            client_key="k",
            client_spool=tmp_path,
            client_linger_seconds=0.05,
            client_backoff_max_seconds=0.2,
        )
        command = [sys.executable, "-m", "purposewatch_connect", "otlp"]
        async with (
            Server(command, settings, port=port) as receiver,
            httpx.AsyncClient(base_url=receiver.base_url) as client,
        ):
            await receiver.wait_ready()
            request = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}
            assert (await client.post("/v1/traces", json=request)).status_code == 200
            receiver.kill()
            ingest.answer = lambda _: Reply()
            receiver.start()
            await receiver.wait_ready()
            await asyncio.to_thread(ingest.wait_for, 1)
            assert (await client.post("/v1/traces", json=request)).status_code == 200
            assert await receiver.terminate() == 0
            assert "m-7" not in receiver.logs

    assert len(set(ingest.ids)) == 1
    assert ingest.subjects == {"m-7": 1}
