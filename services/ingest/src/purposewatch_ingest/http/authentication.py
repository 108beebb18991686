"""Which publisher sent a request: by its key, its token or its certificate."""

import time
from collections.abc import Callable

from starlette.requests import Request

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_ingest.signing_keys import PAUSE_SECONDS, KeysUnavailableError
from purposewatch_ingest.tokens import TokenRefusedError, TokenVerifier, is_token
from purposewatch_runtime import metrics as m
from purposewatch_runtime.http import client_names
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

_NOT_REGISTERED = "send a registered key as `Authorization: Bearer <key>`"
_UNKNOWN_CERTIFICATE = "the client certificate is of no registered publisher; have it registered"

_log = get_logger(__name__)


class Authenticator:
    """Finds the publisher whose credential a request carries; counts and logs those without one.

    What stands in `Authorization` decides: a client certificate counts only without it. A log line
    names the client's address and never the credential.
    """

    def __init__(
        self,
        register: Callable[[], PublisherRegister],
        metric_set: m.MetricSet,
        *,
        tokens: TokenVerifier | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._register = register
        self._tokens = tokens
        self._refused = metric_set.counter(m.INGEST_KEYS_REFUSED)
        self._clock = clock
        self._limiter = LogLimiter()

    async def publisher_of(self, request: Request) -> Publisher:
        """The request's publisher, or the problem that its credential is not registered."""
        try:
            publisher = await self._find(request)
        except TokenRefusedError as error:
            self._report(request, f"token {error}")
            refused = _unauthorized(f"the token {error}", ', error="invalid_token"')
            raise refused from None
        except KeysUnavailableError:
            raise ProblemError(
                ProblemKind.IDENTITY_UNAVAILABLE,
                "the identity provider does not answer; keep the events and send them again later",
                headers={"Retry-After": str(round(PAUSE_SECONDS))},
            ) from None
        if publisher is None:
            by_certificate = "authorization" not in request.headers and client_names(request.scope)
            reason = "certificate not registered" if by_certificate else "key not registered"
            self._report(request, reason)
            raise _unauthorized(_UNKNOWN_CERTIFICATE if by_certificate else _NOT_REGISTERED)
        return publisher

    async def _find(self, request: Request) -> Publisher | None:
        register = self._register()
        if "authorization" not in request.headers:
            return register.owner_of_certificate(client_names(request.scope))
        scheme, _, credential = request.headers["authorization"].partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer":
            return None
        publisher = register.holder_of(credential)
        if publisher is None and self._tokens is not None and is_token(credential):
            publisher = register.owner_of_token(await self._tokens.subject_of(credential))
            if publisher is None:
                message = "is valid, but of no registered publisher; have its subject registered"
                raise TokenRefusedError(message)
        return publisher

    def _report(self, request: Request, reason: str) -> None:
        self._refused.inc()
        address = request.client.host if request.client else "unknown"
        suppressed = self._limiter.admit(address, self._clock())
        if suppressed is not None:
            _log.warning(
                "request without a registered key",
                address=address,
                has_key="authorization" in request.headers,
                reason=reason,
                suppressed=suppressed,
            )


def _unauthorized(detail: str, error: str = "") -> ProblemError:
    return ProblemError(
        ProblemKind.UNAUTHORIZED,
        detail,
        headers={"WWW-Authenticate": f'Bearer realm="purposewatch"{error}'},
    )
