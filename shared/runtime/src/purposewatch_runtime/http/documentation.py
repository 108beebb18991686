"""`/docs`: the OpenAPI document of a service in Swagger UI, without inline scripts."""

from collections.abc import Sequence
from html import escape
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from purposewatch_runtime.http.security_headers import PAGE_HEADERS, content_security_policy

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{assets}/swagger-ui.css">
<link rel="icon" href="{assets}/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{assets}/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = """"use strict";
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""

_HEADERS = {
    **PAGE_HEADERS,
    # Swagger UI draws its icons from `data:` addresses
    "Content-Security-Policy": content_security_policy(images="'self' data:"),
}


def documentation_routes(title: str, *, assets: str) -> Sequence[BaseRoute]:
    """`/docs` and its script; `assets` is the path below which Swagger UI is served."""
    page = _PAGE.format(title=escape(title), assets=escape(assets))

    async def show(_: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def start(_: Request) -> Response:
        return Response(_START, HTTPStatus.OK, media_type="text/javascript")

    return (
        Route("/docs", show, include_in_schema=False),
        Route("/docs/start.js", start, include_in_schema=False),
    )
