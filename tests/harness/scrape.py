"""What a running service says of itself over HTTP."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.service import ServiceProcess


async def get(service: ServiceProcess, path: str) -> httpx.Response:
    """Ask the service over HTTP."""
    async with httpx.AsyncClient(base_url=service.base_url, timeout=10) as client:
        return await client.get(path)


async def until_json(
    service: ServiceProcess,
    path: str,
    reached: Callable[[Any], bool],
    *,
    status: int = 200,
    seconds: float = 60,
) -> Any:
    """The JSON document at `path`, once it is as wanted; fails with it and the service's logs."""
    answer = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    response = await get(service, path)
                    answer = response.text
                    if response.status_code == status and reached(found := response.json()):
                        return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        message = f"{path} stays {answer}\n{service.logs[-5000:]}"
        raise AssertionError(message) from None


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
