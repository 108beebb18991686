"""The route `/api/v1/lineage`, to which OpenLineage clients post one event at a time."""

import asyncio
import json
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from purposewatch_connect.openlineage.events import EventReader
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.pipeline import Pipeline
from purposewatch_connect.receiving import ReceivingEdge, RefusedRequestError, refusal_headers


class OpenLineageHttp:
    """Answers a request once every access of its event is in the spool."""

    def __init__(
        self, reader: EventReader, pipeline: Pipeline, settings: OpenLineageSettings
    ) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._edge = ReceivingEdge(settings)

    def routes(self) -> list[Route]:
        """The routes, for the application."""
        return [Route("/api/v1/lineage", self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Receive an event."""
        try:
            async with self._edge.body(request) as body:
                await asyncio.to_thread(self._publish, body, request)
        except RefusedRequestError as error:
            headers = refusal_headers(error.status)
            return JSONResponse({"message": str(error)}, error.status, headers)
        return Response(status_code=HTTPStatus.CREATED)

    def _publish(self, body: bytes, request: Request) -> None:
        try:
            event = json.loads(self._edge.expand(body, request))
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            detail = "the content is not an event of OpenLineage: a JSON object"
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail)
        observations, gaps = self._reader.read(event)
        self._pipeline.publish(observations, gaps)
        result = "read" if observations else "unreadable" if gaps else "ignored"
        self._pipeline.count_records(1, result)
