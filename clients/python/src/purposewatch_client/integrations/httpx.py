"""A hook for httpx: a request to a mapped host becomes a `share` with its recipient."""

from collections.abc import Mapping
from typing import TypeVar

import httpx

from purposewatch_client.integrations.sharing import Recipients, Request, record_share

_Client = TypeVar("_Client", bound=httpx.Client | httpx.AsyncClient)


def share(client: _Client, hosts: Mapping[str, str]) -> _Client:
    """Record what the client's requests share with the recipients behind hosts. Returns it.

    The event is recorded before the request is sent, so that one that times out is not missed; one
    that never reached the recipient counts as well. A redirect is another request.
    """
    recipients = Recipients(hosts)

    def record(request: httpx.Request) -> None:
        record_share("httpx", recipients, _read(request))

    async def record_async(request: httpx.Request) -> None:
        record(request)

    hook = record_async if isinstance(client, httpx.AsyncClient) else record
    hooks = client.event_hooks
    hooks["request"] = [*hooks["request"], hook]
    client.event_hooks = hooks
    return client


def _read(request: httpx.Request) -> Request:
    body: bytes | None
    if isinstance(request.stream, httpx.ByteStream):  # may be read again, as after a redirect
        body = b"".join(request.stream)
    else:
        try:
            body = request.content
        except httpx.RequestNotRead:
            body = None
    return Request(str(request.url), request.headers.get("content-type", ""), body)
