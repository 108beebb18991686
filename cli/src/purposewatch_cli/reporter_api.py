"""Asks the reporter's API, with nothing but the standard library."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Annotated, Any, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import typer

DEFAULT_REPORTER = "http://127.0.0.1:8602"
MAX_ANSWER = 64 * 1024 * 1024

ReporterOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--reporter",
        envvar="PURPOSEWATCH_REPORTER_PUBLIC_URL",
        metavar="URL",
        help="The reporter. Its token is read from PURPOSEWATCH_REPORTER_API_TOKEN.",
    ),
]


class ReporterError(Exception):
    """The reporter did not do what it was asked; each line of the message says what to do."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Of its answer, if there was one."""


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the token would go to an address that nobody has named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""


class ReporterApi:
    """The API of one reporter."""

    def __init__(self, url: str, token: str | None, timeout_seconds: float = 60.0) -> None:
        """Raises `ReporterError` for what is not an address."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"`{url}` is not an address; write one such as `{DEFAULT_REPORTER}`"
            raise ReporterError(message)
        self._base = url.rstrip("/") + "/api/v1"
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout_seconds
        self._opener: OpenerDirector = build_opener(_NoRedirect)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Read something. Raises `ReporterError`."""
        return self._ask(_address(path, query), None)

    def file(self, path: str, query: Mapping[str, str]) -> bytes:
        """Read something that is not JSON. Raises `ReporterError`."""
        return self._read(_address(path, query), None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send something, and return the answer. Raises `ReporterError`."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        content = self._read(path, body)
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._no_answer(error) from error

    def _read(self, path: str, body: bytes | None) -> bytes:
        request = Request(self._base + path, data=body, headers=self._headers)  # noqa: S310 - http only
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                content: bytes = answer.read(MAX_ANSWER + 1)
        except HTTPError as error:
            with error:
                raise ReporterError(_complaint(error), error.code) from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise self._no_answer(error) from error
        if len(content) > MAX_ANSWER:
            message = f"the answer has more than {MAX_ANSWER} bytes; ask about a shorter time"
            raise ReporterError(message)
        return content

    def _no_answer(self, error: Exception) -> ReporterError:
        reason = getattr(error, "reason", None) or type(error).__name__
        return ReporterError(
            f"no answer from {self._base}: {reason}; name the reporter with `--reporter` or in "
            "PURPOSEWATCH_REPORTER_PUBLIC_URL"
        )


def _address(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _complaint(error: HTTPError) -> str:
    """What the answer says, which is a problem of RFC 9457 if a reporter wrote it."""
    try:
        problem = json.loads(error.read(MAX_ANSWER))
        faults = [f"{each['field']}: {each['detail']}" for each in problem.get("errors") or ()]
        detail = str(problem.get("detail") or problem.get("title"))
    except (ValueError, TypeError, KeyError, AttributeError):
        faults, detail = [], str(error.reason)
    hint = "; set PURPOSEWATCH_REPORTER_API_TOKEN" if error.code == 401 else ""  # noqa: PLR2004 - HTTP
    return "\n".join([f"the reporter answered {error.code}: {detail}{hint}", *faults])
