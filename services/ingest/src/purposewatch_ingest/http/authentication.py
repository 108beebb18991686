"""Which publisher sent a request."""

import time
from collections.abc import Callable

from starlette.requests import Request

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_runtime import metrics as m
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


class Authenticator:
    """Finds the publisher whose key a request carries; counts and logs those without one.

    A log line names the client's address and never the key.
    """

    def __init__(
        self,
        register: Callable[[], PublisherRegister],
        metric_set: m.MetricSet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._register = register
        self._refused = metric_set.counter(m.INGEST_KEYS_REFUSED)
        self._clock = clock
        self._limiter = LogLimiter()

    async def publisher_of(self, request: Request) -> Publisher:
        """The request's publisher, or the problem that its key is not registered."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        publisher = None
        if scheme.lower() == "bearer":
            publisher = self._register().holder_of(key.strip())
        if publisher is None:
            self._report(request)
            raise ProblemError(
                ProblemKind.UNAUTHORIZED,
                "send a registered key as `Authorization: Bearer <key>`",
                headers={"WWW-Authenticate": 'Bearer realm="purposewatch"'},
            )
        return publisher

    def _report(self, request: Request) -> None:
        self._refused.inc()
        address = request.client.host if request.client else "unknown"
        suppressed = self._limiter.admit(address, self._clock())
        if suppressed is not None:
            _log.warning(
                "request without a registered key",
                address=address,
                has_key="authorization" in request.headers,
                suppressed=suppressed,
            )
