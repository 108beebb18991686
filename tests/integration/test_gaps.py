"""A gap on its whole way: over HTTP, through Kafka and the database, onto the page and the API."""

import asyncio
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.page_stage import first_password
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment, variables
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess

KEY = "pwk_a-key-for-tests"
GAPS = 20


def gaps() -> list[dict[str, Any]]:
    """Gaps of one dataset, each standing for two accesses."""
    time = datetime.now(UTC).isoformat()
    return [
        {
            "id": f"gap-{number}",
            "kind": "unmapped_dataset",
            "name": "crm.public.loyalty_cards",
            "count": 2,
            "time": time,
            "controller": "wework-labs",
        }
        for number in range(GAPS)
    ]


async def report(ingest: ServiceProcess, found: list[dict[str, Any]]) -> None:
    """Post gaps; all of them must be accepted."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=ingest.base_url, headers=headers, timeout=20) as client:
        answer = await client.post("/v1/gaps", json=found)
    assert (answer.status_code, answer.json()) == (202, {"accepted": len(found)})


async def shown_on_page(reporter: ServiceProcess, password: str) -> list[str]:
    """The cells of the page's rows, for a person who signs in."""
    async with httpx.AsyncClient(base_url=reporter.base_url, timeout=20) as client:
        form = re.findall(r'name="form" value="([^"]*)"', (await client.get("/sign-in")).text)[0]
        fields = {"form": form, "username": "officer", "password": password}
        await client.post("/sign-in", data=fields)
        rows = (await client.get("/gaps")).text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.sub("<[^>]*>", "", row).strip() for row in rows.split("\n") if "<t" in row]


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_a_gap_is_shown_once_though_the_reporter_was_killed(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """Gaps are posted twice, and the reporter is killed while it counts them one by one."""
    publishers = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    publishers.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n"
    )
    database = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    own = variables(publishers_file=publishers, database_url=database, kafka_max_batch_records=1)
    environment = {**service_environment(broker, topic_prefix), **own}
    found = gaps()

    def counted(answer: Any) -> int:
        return sum(item["count"] for item in answer["items"])

    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        first = ServiceProcess("purposewatch_reporter", environment)
        async with first:
            await asyncio.gather(ingest.wait_ready(), first.wait_ready())
            password = first_password(first.logs)
            await report(ingest, found)
            await until_json(first, "/api/v1/gaps", lambda answer: counted(answer) >= 4)
            first.kill()
        await report(ingest, found)
        await report(ingest, [{**found[0], "id": "last", "name": "last"}])
        async with ServiceProcess("purposewatch_reporter", environment) as reporter:
            await reporter.wait_ready()
            # all gaps of a publisher are in one partition, so this one is counted after the others
            answer = await until_json(
                reporter,
                "/api/v1/gaps",
                lambda answer: any(item["name"] == "last" for item in answer["items"]),
            )
            [item] = (item for item in answer["items"] if item["name"] != "last")
            expected = ("crm", "wework-labs", "unmapped_dataset", 2 * GAPS, 2 * GAPS)
            names = ("publisher", "controller", "kind", "count", "last_7_days")
            assert expected == tuple(item[name] for name in names)
            cells = await shown_on_page(reporter, password)
            assert "crm.public.loyalty_cards" in cells
            assert cells.count(str(2 * GAPS)) == 2
