"""Who may use the API: whoever has the token, when one is set."""

import hmac
import time
from http import HTTPStatus

from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from purposewatch_reporter.api.event_status import EVENT_STATUS_PATH
from purposewatch_reporter.api.facts import FACTS_PATH
from purposewatch_reporter.api.problems import ProblemError, render
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

API_PATH = "/api/"
_FOR_INGEST = frozenset({EVENT_STATUS_PATH, FACTS_PATH})
"""What ingest asks for publishers."""

_log = get_logger(__name__)

bearer_scheme = HTTPBearer(auto_error=False, description="PURPOSEWATCH_REPORTER_API_TOKEN")
"""A dependency that describes the token in the OpenAPI document; `ApiAccess` checks it."""


class ApiAccess:
    """ASGI middleware that lets requests to the API through only with the token.

    INVARIANT: nothing of a request but its headers is read before its token is found valid. A
    dependency of a route would be too late: FastAPI reads and parses the body first.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: SecretStr | None,
        event_status_token: SecretStr | None = None,
    ) -> None:
        """Take the token of everything, and the one that ingest asks with for publishers."""
        self._app = app
        self._expected = None if token is None else _bytes_of(token)
        self._for_ingest = None if event_status_token is None else _bytes_of(event_status_token)
        self._limiter = LogLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http" or not scope["path"].startswith(API_PATH):
            await self._app(scope, receive, send)
            return

        async def send_uncached(message: Message) -> None:
            if message["type"] == "http.response.start":  # the answers are about people
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        allowed = self._allows(scope["path"], Headers(scope=scope).get("authorization", ""))
        if not allowed:
            self._log_refusal(scope)
        app = self._app if allowed else _UNAUTHORIZED
        await app(scope, receive, send_uncached)

    def _allows(self, path: str, authorization: str) -> bool:
        if self._expected is None:
            return True
        scheme, _, token = authorization.partition(" ")
        expected = [self._expected]
        if path in _FOR_INGEST and self._for_ingest is not None:
            expected.append(self._for_ingest)
        given = token.strip().encode()
        matches = [hmac.compare_digest(given, each) for each in expected]
        return scheme.lower() == "bearer" and any(matches)

    def _log_refusal(self, scope: Scope) -> None:
        """Log the address, never what was sent."""
        address = scope["client"][0] if scope.get("client") else "unknown"
        suppressed = self._limiter.admit(address, time.monotonic())
        if suppressed is not None:
            _log.warning("API token refused", address=address, suppressed=suppressed)


def _bytes_of(token: SecretStr) -> bytes:
    return token.get_secret_value().encode()


_UNAUTHORIZED = render(
    ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "send the API's token as `Authorization: Bearer <token>`",
        headers={"WWW-Authenticate": "Bearer"},
    )
)
