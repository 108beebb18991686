"""An adapter for requests: a request to a mapped host becomes a `share` with its recipient."""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter

from purposewatch_client.integrations.sharing import Recipients, Request, record_share


def share(session: requests.Session, hosts: Mapping[str, str]) -> requests.Session:
    """Record what a session's requests share with the recipients behind hosts. Returns it.

    The event is recorded before the request is sent, so that one that times out is not missed; one
    that never reached the recipient counts as well. A redirect is another request. An adapter
    that is mounted later is not covered.
    """
    recipients = Recipients(hosts)
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, _SharingAdapter(adapter, recipients))
    return session


class _SharingAdapter(BaseAdapter):
    """Records a request, then lets the session's own adapter send it."""

    def __init__(self, inner: BaseAdapter, recipients: Recipients) -> None:
        super().__init__()
        self._inner = inner
        self._recipients = recipients

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        record_share("requests", self._recipients, _read(request))
        return self._inner.send(request, *args, **kwargs)

    def close(self) -> None:
        self._inner.close()


def _read(request: requests.PreparedRequest) -> Request:
    content: Any = request.body or b""
    if isinstance(content, str):
        content = content.encode()
    body = content if isinstance(content, bytes) else None
    return Request(request.url or "", request.headers.get("Content-Type", ""), body)
