"""Who may use the API: whoever has the token, when one is set."""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from purposewatch_reporter.api.problems import ProblemError

_bearer = HTTPBearer(auto_error=False, description="PURPOSEWATCH_REPORTER_API_TOKEN")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def require_token(token: SecretStr | None) -> Callable[..., Awaitable[None]]:
    """A dependency that lets a request through only with the token."""
    expected = None if token is None else token.get_secret_value().encode()

    async def check(response: Response, given: _Credentials) -> None:
        response.headers["Cache-Control"] = "no-store"  # the answers are about people
        if expected is None:
            return
        if given is None or not hmac.compare_digest(given.credentials.encode(), expected):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "send the API's token as `Authorization: Bearer <token>`",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
