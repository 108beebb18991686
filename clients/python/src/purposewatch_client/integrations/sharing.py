"""Turns a request to another organisation's host into a `share` with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from purposewatch_client.gap_counter import GapKind, count_gap
from purposewatch_client.integrations.recording import never_failing, record_resolved
from purposewatch_client.sending import current_sending
from purposewatch_client.tags import categories_in, categories_of


class Recipients:
    """Who answers at which host: `{"api.mailer.example": "processor.email"}`."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        """Take the recipient of each host; `*.ads.example` is every host below `ads.example`."""
        self._exact = {host.lower(): term for host, term in hosts.items() if host[:2] != "*."}
        self._below = {host[1:].lower(): term for host, term in hosts.items() if host[:2] == "*."}

    def recipient_of(self, host: str) -> str | None:
        """Return the recipient behind a host; `None` if it is not mapped."""
        host = host.lower()
        if host in self._exact:
            return self._exact[host]
        suffixes = [suffix for suffix in self._below if host.endswith(suffix)]
        return self._below[max(suffixes, key=len)] if suffixes else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the hooks see it."""

    url: str
    content_type: str
    body: bytes | None
    """`None` if it is streamed and can't be looked at."""


def record_share(integration: str, recipients: Recipients, request: Request) -> None:
    """Record what a request shares, if its host is mapped."""
    host = urlsplit(request.url).hostname or ""
    recipient = recipients.recipient_of(host)
    if recipient is not None:
        with never_failing(integration, host):
            _record(integration, host, recipient, request)


def _record(integration: str, host: str, recipient: str, request: Request) -> None:
    stated = current_sending()
    if stated is None:
        if request.body != b"" or urlsplit(request.url).query:
            count_gap(integration, GapKind.UNMAPPED_DATASET, host)
        return
    categories = dict.fromkeys(stated.categories)
    for model in stated.models:
        categories.update(dict.fromkeys(_sent(model, request)))
    if categories:
        fields = {"operation": "share", **stated.fields, "recipient": recipient}
        record_resolved(integration, host, categories=tuple(categories), **fields)


def _sent(model: type, request: Request) -> tuple[str, ...]:
    query = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
    found = categories_in(model, query)
    if request.body == b"":
        return found
    return found + (categories_in(model, _parsed(request)) or categories_of(model))


def _parsed(request: Request) -> object:
    """Return the content of a JSON or form body; nothing of any other."""
    try:
        text = (request.body or b"").decode()
        if "json" in request.content_type:
            return json.loads(text)
        if "x-www-form-urlencoded" in request.content_type:
            return parse_qs(text, keep_blank_values=True)
    except ValueError:
        pass
    return None
