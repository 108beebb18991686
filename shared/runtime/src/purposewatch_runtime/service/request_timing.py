"""Measures HTTP requests. Labels are route templates, so that paths create no series."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from purposewatch_runtime import metrics as m
from purposewatch_runtime.http.edge import PROBE_PATHS

TRACE_ID = "purposewatch.trace_id"
"""Where the scope of a request that is traced has the id of its trace."""


class RequestTiming:
    """ASGI middleware that observes the duration of HTTP requests by route and status.

    Excludes probes and scrapes: a 503 of `/readyz` is an answer, not a failure.
    """

    def __init__(self, app: ASGIApp, *, metric_set: m.MetricSet) -> None:
        self._app = app
        self._seconds = metric_set.histogram(m.HTTP_REQUEST_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and measure until the response ends."""
        if scope["type"] != "http" or scope["path"] in PROBE_PATHS:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            seconds = time.perf_counter() - started
            observed = self._seconds.labels(route, str(status))
            observed.observe(seconds)
            if trace_id := scope.get(TRACE_ID):
                observed.show_example(seconds, trace_id)
