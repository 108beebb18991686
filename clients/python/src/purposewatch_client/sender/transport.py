"""Requests to ingest over one connection that is kept open."""

import http.client
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from purposewatch_client.sender.outcome import Answer

__all__ = ["NoAnswerError", "Tls", "Transport"]

_MAX_BODY = 1024 * 1024
_USER_AGENT = "purposewatch-client"


class NoAnswerError(Exception):
    """There is no connection, or no answer in time: nothing is known about the request."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for connections over TLS; None means the system's authorities, or no certificate."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class Transport:
    """Sends requests, one at a time. Redirects are not followed: they would take the key along."""

    def __init__(self, url: str, key: str | Callable[[], str], *, timeout: float, tls: Tls) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._path = parts.path.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float | None = None
    ) -> Answer:
        """Send one request. Raises `NoAnswerError`."""
        try:
            key = self._key() if callable(self._key) else self._key
        except Exception as error:
            message = f"the key is not available: {type(error).__name__}"
            raise NoAnswerError(message) from error
        complete = {
            "User-Agent": _USER_AGENT,
            "Authorization": f"Bearer {key}",
            "Content-Length": str(len(body)),
            **headers,
        }
        timeout = self._timeout if timeout is None else timeout
        reused = self._connection is not None
        try:
            try:
                return self._exchange(path, body, complete, timeout)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not reused:
                    raise
                # Ingest closed a connection that was idle. The same ids may be sent again.
                return self._exchange(path, body, complete, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"no answer from ingest: {type(error).__name__}"
            raise NoAnswerError(message) from error

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        try:
            connection = self._connection = self._connection or self._connect()
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request("POST", self._path + path, body, dict(headers))
            response = connection.getresponse()
            content = response.read(_MAX_BODY)
            if not response.isclosed() or response.will_close:
                self.close()
        except BaseException:
            self.close()
            raise
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, content)

    def _connect(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context(cafile=self._tls.ca_file)
        if self._tls.cert_file:
            context.load_cert_chain(self._tls.cert_file, self._tls.key_file)
        proxy = urlsplit(getproxies().get("https", ""))
        if not proxy.hostname or proxy_bypass(self._host):
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=context
            )
        connection = http.client.HTTPSConnection(
            proxy.hostname, proxy.port or 80, timeout=self._timeout, context=context
        )
        connection.set_tunnel(self._host, self._port)
        return connection
