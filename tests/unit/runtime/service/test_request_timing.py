"""Requests are measured by the route's template and the status, probes are not."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import RequestTiming


async def _answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _fail(_: Request) -> PlainTextResponse:
    raise RuntimeError


async def test_labels_are_templates_and_statuses() -> None:
    """A thousand paths are one series, unknown paths share another, an exception counts as 500."""
    metric_set = m.MetricSet("reporter", version="0")
    app = Starlette(
        routes=[Route("/things/{id}", _answer), Route("/broken", _fail), Route("/readyz", _answer)]
    )
    app.add_middleware(RequestTiming, metric_set=metric_set)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for number in range(1_000):
            await client.get(f"/things/{number}")
        for path in ("/broken", "/readyz", "/stranger/1", "/stranger/2"):
            await client.get(path)

    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for metric in metric_set.registry.collect()
        for sample in metric.samples
        if sample.name == f"{m.HTTP_REQUEST_SECONDS.name}_count"
    }
    assert counted == {
        ("/things/{id}", "200"): 1_000,
        ("/broken", "500"): 1,
        ("other", "404"): 2,
    }
