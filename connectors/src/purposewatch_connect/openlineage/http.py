"""The routes to which OpenLineage clients post an event, or several as a batch."""

import asyncio
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from purposewatch_connect.documents import Document
from purposewatch_connect.openlineage.events import EventReader
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.pipeline import Input, Pipeline
from purposewatch_connect.receiving import ReceivingEdge, RefusedRequestError, refusal_headers

_MAX_FAILURES = 100
"""Events of a batch that an answer names; it counts all."""


class OpenLineageHttp:
    """Answers a request once every access of its events is in the spool."""

    def __init__(
        self, reader: EventReader, pipeline: Pipeline, settings: OpenLineageSettings
    ) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._edge = ReceivingEdge(settings)

    def routes(self) -> list[Route]:
        """The routes, for the application."""
        return [
            Route("/api/v1/lineage", self.receive, methods=["POST"]),
            Route("/api/v1/lineage/batch", self.receive_batch, methods=["POST"]),
        ]

    async def receive(self, request: Request) -> Response:
        """Receive an event."""
        return await self._answer(request, self._publish)

    async def receive_batch(self, request: Request) -> Response:
        """Receive a list of events. Those that are no events are named, and refuse no others."""
        return await self._answer(request, self._publish_batch)

    async def _answer(self, request: Request, publish: Callable[[object], Response]) -> Response:
        try:
            async with self._edge.body(request) as body:
                return await asyncio.to_thread(lambda: publish(self._document(body, request)))
        except RefusedRequestError as error:
            headers = refusal_headers(error.status)
            return JSONResponse({"message": str(error)}, error.status, headers)

    def _document(self, body: bytes, request: Request) -> object:
        try:
            return json.loads(self._edge.expand(body, request))
        except (ValueError, RecursionError):
            return None

    def _publish(self, document: object) -> Response:
        if not isinstance(document, dict):
            detail = "the content is not an event of OpenLineage: a JSON object"
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail)
        self._publish_events([document])
        return Response(status_code=HTTPStatus.CREATED)

    def _publish_batch(self, document: object) -> Response:
        """Publish a list of events, and answer as the specification of OpenLineage says."""
        if not isinstance(document, list):
            detail = "the content is not a batch of OpenLineage: a JSON array of events"
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail)
        self._publish_events([each for each in document if isinstance(each, dict)])
        failed = [index for index, each in enumerate(document) if not isinstance(each, dict)]
        if not failed:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        failures = [
            {"index": index, "reason": "not a JSON object", "retriable": False}
            for index in failed[:_MAX_FAILURES]
        ]
        summary = {
            "received": len(document),
            "successful": len(document) - len(failed),
            "failed": len(failed),
            "retriable": 0,
            "non_retriable": len(failed),
        }
        return JSONResponse(
            {"status": "partial_success", "summary": summary, "failed_events": failures}
        )

    def _publish_events(self, events: Iterable[Document]) -> None:
        """Publish what the events say, together."""
        inputs = [Input(*self._reader.read(event)) for event in events]
        self._pipeline.publish(inputs)
        for observations, gaps in inputs:
            result = "read" if observations else "unreadable" if gaps else "ignored"
            self._pipeline.count_records(1, result)
