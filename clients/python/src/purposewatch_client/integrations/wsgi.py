"""WSGI middleware for Flask and Django: purpose, actor and trace of each request."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import TYPE_CHECKING

import purposewatch_client as purposewatch
from purposewatch_client.form import is_traceparent
from purposewatch_client.integrations.recording import never_failing
from purposewatch_client.integrations.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from purposewatch_client.fields import Fields


class PurposewatchMiddleware:
    """Sets the defaults for whatever a request does, until its response has been sent."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        routes: Mapping[str, str | Fields] | None = None,
        actor: str | Callable[[WSGIEnvironment], str | None] | None = None,
    ) -> None:
        """Wrap an application.

        `routes` has the purpose, or several defaults, by method and path, as `Routes` describes.
        `actor` is the component of the service that acts, or a function that finds it.
        """
        self._app = app
        self._routes = Routes(routes or {})
        self._actor = actor

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request in a context of its own."""
        with purposewatch.defaults(**self._defaults(environ)):
            context = copy_context()
        return _Body(context.run(self._app, environ, start_response), context)

    def _defaults(self, environ: WSGIEnvironment) -> Fields:
        found = self._routes.defaults_for(
            environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO") or "/"
        )
        with never_failing("wsgi", "actor"):
            actor = self._actor(environ) if callable(self._actor) else self._actor
            if actor is not None:
                found.setdefault("actor", actor)
        traceparent = environ.get("HTTP_TRACEPARENT", "")
        if is_traceparent(traceparent):
            found["traceparent"] = traceparent
        return found


class _Body:
    """The response's body, produced in the context of its request."""

    def __init__(self, body: Iterable[bytes], context: Context) -> None:
        self._body = body
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        parts = self._context.run(iter, self._body)
        while (part := self._context.run(next, parts, None)) is not None:
            yield part

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            self._context.run(close)
