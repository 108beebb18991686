"""Middleware sets purpose, actor and trace of a request, in each framework."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import django
import httpx
import pytest
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI
from flask import Flask, Response, stream_with_context
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from werkzeug.test import Client as WerkzeugClient

import purposewatch_client as purposewatch
from purposewatch_client import Category
from purposewatch_client.integrations import asgi, wsgi
from purposewatch_client.integrations.routes import Routes
from purposewatch_client.testing import Captured

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PURPOSE = "essential.service.provision"
ROUTES: dict[str, str | purposewatch.Fields] = {
    "GET /members/{id}": PURPOSE,
    "POST /members/{id}": {"purpose": "essential.service.records", "actor": "registration"},
}
EMAIL = "user.contact.email"


def record() -> None:
    """Record an access that says neither purpose, nor actor, nor trace."""
    purposewatch.record(subject="m-1", role="member", operation="use", categories=[EMAIL])


def record_in_parts() -> Iterator[str]:
    """The body of a response that reads data while it is sent."""
    record()
    yield "done"


# --- The applications: each records one access for GET and one for POST ----------------------


def with_starlette() -> Any:
    async def streamed() -> Any:
        for each in record_in_parts():
            yield each

    async def member(request: Request) -> StreamingResponse:
        return StreamingResponse(streamed())

    routes = [Route("/members/{id}", member, methods=["GET", "POST"])]
    return asgi.PurposewatchMiddleware(Starlette(routes=routes), routes=ROUTES, actor="web")


def with_fastapi() -> Any:
    app = FastAPI()
    app.add_middleware(asgi.PurposewatchMiddleware, routes=ROUTES, actor=lambda scope: "web")

    @app.get("/members/{member}")
    @app.post("/members/{member}")
    def member(member: str) -> None:  # runs in a thread
        record()

    return app


def with_flask() -> Any:
    app = Flask("members")

    @app.route("/members/<member>", methods=["GET", "POST"])
    def member(member: str) -> Response:
        return Response(stream_with_context(record_in_parts()))

    return wsgi.PurposewatchMiddleware(app, routes=ROUTES, actor=lambda environ: "web")


def django_view(request: HttpRequest, member: str) -> HttpResponse:
    record()
    return HttpResponse("done")


urlpatterns = [path("members/<member>", django_view)]


def _django(handler: type) -> Any:
    if not django_settings.configured:
        django_settings.configure(
            ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", INSTALLED_APPS=[]
        )
        django.setup()
    sys.modules.setdefault(__name__, sys.modules[record.__module__])
    return handler()


def with_django_wsgi() -> Any:
    return wsgi.PurposewatchMiddleware(_django(WSGIHandler), routes=ROUTES, actor="web")


def with_django_asgi() -> Any:
    return asgi.PurposewatchMiddleware(_django(ASGIHandler), routes=ROUTES, actor="web")


APPLICATIONS = [with_starlette, with_fastapi, with_flask, with_django_wsgi, with_django_asgi]


def call(application: Any, method: str, headers: dict[str, str]) -> int:
    if isinstance(application, wsgi.PurposewatchMiddleware):
        with WerkzeugClient(application).open("/members/1", method=method, headers=headers) as got:
            assert got.data in {b"done", b""}
            return int(got.status_code)

    async def send() -> int:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
            return (await client.request(method, "/members/1", headers=headers)).status_code

    return asyncio.run(send())


@pytest.mark.parametrize("make", APPLICATIONS)
def test_an_access_within_a_request_has_its_purpose_actor_and_trace(
    make: Callable[[], Any], configured: None, captured: Captured
) -> None:
    """Also what is recorded while the response is sent."""
    application = make()
    assert call(application, "GET", {"traceparent": TRACE}) == 200
    assert call(application, "POST", {"traceparent": TRACE.replace("00-4", "ff-4")}) == 200
    first, second = captured.events
    assert (first["data"]["purpose"], first["source"]) == (PURPOSE, "/tests/web")
    assert first["traceparent"] == TRACE
    assert second["data"]["purpose"] == "essential.service.records"
    assert second["source"] == "/tests/registration"
    assert "traceparent" not in second
    assert purposewatch.current_defaults() == {}


@pytest.mark.parametrize("middleware", [asgi, wsgi])
def test_an_actor_that_cannot_be_found_fails_no_request(
    middleware: Any, configured: None, captured: Captured
) -> None:
    """The event has no actor then, and the defect is counted."""
    served = middleware.PurposewatchMiddleware(
        None, routes={"/": PURPOSE}, actor=lambda request: request["nothing"]
    )
    found = served._defaults({"path": "/", "PATH_INFO": "/", "headers": []})
    assert found == {"purpose": PURPOSE}
    assert [gap[1:] for gap in purposewatch.gap_counts()] == [("unreadable_record", "actor")]


async def test_what_is_no_request_passes_through() -> None:
    """A server's start and end have no path."""
    seen: list[str] = []

    async def app(scope: asgi.Scope, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await asgi.PurposewatchMiddleware(app, routes=ROUTES)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_the_first_route_that_matches_counts() -> None:
    """With and without method, parameters, and everything below."""
    routes = Routes(
        {"GET /a/{x}": "one", "/a/*": {"purpose": "two", "role": "member"}, "/b.c": "three"}
    )
    assert routes.defaults_for("GET", "/a/7") == {"purpose": "one"}
    assert routes.defaults_for("PUT", "/a/7") == {"purpose": "two", "role": "member"}
    assert routes.defaults_for("GET", "/a/7/8") == {"purpose": "two", "role": "member"}
    assert routes.defaults_for("GET", "/a") == {"purpose": "two", "role": "member"}
    assert routes.defaults_for("GET", "/bxc") == {}
    assert routes.defaults_for("GET", "/ab") == {}


@pytest.mark.parametrize("route", ["members", "get /a", "GET  /a", "GET /a b"])
def test_a_route_that_can_never_match_is_refused(route: str) -> None:
    """When the application is made."""
    with pytest.raises(ValueError, match="is not a route"):
        Routes({route: PURPOSE})


def test_django_models_are_tagged_by_annotation_attribute_and_call() -> None:
    """And `observe` sees what is read of an instance."""
    _django(WSGIHandler)

    class Guest(models.Model):  # type: ignore[misc]  # noqa: DJ008 - nobody prints it
        purposewatch_categories = {"phone": "user.contact.phone_number"}  # noqa: RUF012
        email: Annotated[Any, Category(EMAIL)] = models.EmailField()
        phone = models.CharField(max_length=20)
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    purposewatch.tag(Guest, name="user.name")
    assert purposewatch.categories_of(Guest) == (
        EMAIL,
        "user.contact.phone_number",
        "user.name",
    )
    with purposewatch.access() as access:
        assert purposewatch.observe(Guest(name="Ann"), access).name == "Ann"
        assert list(access.categories) == ["user.name"]
        access.cancel()
