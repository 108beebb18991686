"""The probes and the metrics of a service over HTTP."""

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from purposewatch_runtime.service import Check, health_routes


async def test_probes_name_each_check() -> None:
    """A probe answers 503 with the reason while any check fails; metrics are Prometheus text."""

    async def fine() -> Check:
        return Check(ok=True, detail="yes")

    async def away() -> Check:
        return Check(ok=False, detail="no broker")

    routes = health_routes(live={}, ready={"a": fine, "b": away}, registry=CollectorRegistry())
    transport = httpx.ASGITransport(app=Starlette(routes=routes))

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        alive = await client.get("/livez")
        answer = await client.get("/readyz")
        metrics = await client.get("/metrics")

    assert alive.status_code == 200
    assert answer.status_code == 503
    assert answer.json()["checks"]["b"] == {"ok": False, "detail": "no broker"}
    assert metrics.headers["content-type"].startswith("text/plain")
