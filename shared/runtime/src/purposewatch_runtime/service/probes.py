"""`/livez`, `/readyz` and `/metrics`, the same for every service.

`/readyz` answers 200 only while every check passes: a consumer really consumes, a producer can
publish. Both probes name each check and its state, so that a person can see what is wrong.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one thing that a service depends on."""

    ok: bool
    detail: str


Probe: TypeAlias = Callable[[], Awaitable[Check]]


async def _answer(probes: Mapping[str, Probe]) -> JSONResponse:
    checks = {name: await probe() for name, probe in probes.items()}
    ok = all(check.ok for check in checks.values())
    return JSONResponse(
        {
            "status": "ok" if ok else "unavailable",
            "checks": {
                name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()
            },
        },
        status_code=200 if ok else 503,
    )


def health_routes(
    *, live: Mapping[str, Probe], ready: Mapping[str, Probe], registry: CollectorRegistry
) -> list[Route]:
    """Routes for the orchestrator's probes and for Prometheus."""

    async def livez(_: Request) -> Response:
        return await _answer(live)

    async def readyz(_: Request) -> Response:
        return await _answer(ready)

    async def metrics(request: Request) -> Response:
        # only OpenMetrics has exemplars, and Prometheus asks for it
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=media_type)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
