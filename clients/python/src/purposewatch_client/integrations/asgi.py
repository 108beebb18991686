"""ASGI middleware for Starlette, FastAPI and Django: purpose, actor and trace of each request."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import purposewatch_client as purposewatch
from purposewatch_client.fields import Fields
from purposewatch_client.form import is_traceparent
from purposewatch_client.integrations.recording import never_failing
from purposewatch_client.integrations.routes import Routes

Scope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, _Receive, _Send], Awaitable[None]]


class PurposewatchMiddleware:
    """Sets the defaults for whatever a request or a WebSocket connection does."""

    def __init__(
        self,
        app: App,
        *,
        routes: Mapping[str, str | Fields] | None = None,
        actor: str | Callable[[Scope], str | None] | None = None,
    ) -> None:
        """Wrap an application.

        `routes` has the purpose, or several defaults, by method and path, as `Routes` describes.
        `actor` is the component of the service that acts, or a function that finds it.
        """
        self._app = app
        self._routes = Routes(routes or {})
        self._actor = actor

    async def __call__(self, scope: Scope, receive: _Receive, send: _Send) -> None:
        """Serve one connection with its defaults in the context."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with purposewatch.defaults(**self._defaults(scope)):
            await self._app(scope, receive, send)

    def _defaults(self, scope: Scope) -> Fields:
        path = str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"
        found = self._routes.defaults_for(scope.get("method", "GET"), path)
        with never_failing("asgi", "actor"):
            actor = self._actor(scope) if callable(self._actor) else self._actor
            if actor is not None:
                found.setdefault("actor", actor)
        for name, value in scope["headers"]:
            if name == b"traceparent":
                text = value.decode("latin-1")
                if is_traceparent(text):
                    found["traceparent"] = text
        return found
