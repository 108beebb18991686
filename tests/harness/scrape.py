"""What a running service says of itself over HTTP."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.service import ServiceProcess


async def get(service: ServiceProcess, path: str) -> httpx.Response:
    """Ask the service over HTTP."""
    async with httpx.AsyncClient(base_url=service.base_url, timeout=10) as client:
        return await client.get(path)


async def metric(
    service: ServiceProcess, name: str, labels: Mapping[str, str] | None = None
) -> float:
    """The sum of a metric's samples that carry all of `labels`; 0 when there are none."""
    text = (await get(service, "/metrics")).text
    wanted = (labels or {}).items()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and wanted <= sample.labels.items()
    )
