"""Sends what looks like an HTTP request to an application in this process, as a server would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

_MAX_HEADERS = 60
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})


@dataclass
class Answer:
    """What the application answered."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """The value of a header; empty if there is none."""
        return next((value for each, value in self.headers if each.lower() == name), b"")


@dataclass(frozen=True)
class HttpRequest:
    """A method and a target in the first line, headers, an empty line, and the content."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def parse(cls, data: bytes, given: Mapping[bytes, bytes]) -> "HttpRequest":
        """Read what may be a request; `given` headers take the place of those of their names.

        What the server refuses by itself, such as control characters, is changed to what it takes.
        """
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        method, _, target = first.partition(b" ")
        headers = []
        for line in lines[:_MAX_HEADERS]:
            name, _, value = line.partition(b":")
            name = name.strip().lower()
            if name.isascii() and name.replace(b"-", b"").isalnum() and name not in given:
                headers.append((name, value.strip().translate(None, _CONTROLS)))
        return cls(
            method.decode("latin-1").upper() if method.isalpha() else "POST",
            quote_from_bytes(target.strip(), safe=_PRINTABLE).encode(),
            [*headers, *given.items()],
            body,
        )

    def scope(self) -> dict[str, Any]:
        """As ASGI has it."""
        path, _, query = self.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote_to_bytes(b"/" + path.lstrip(b"/")).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": ("192.0.2.7", 5000),
            "server": ("service", 80),
            "state": {},
        }


async def send(app: Any, request: HttpRequest) -> Answer:
    """Send the request; the content comes in two parts, and nothing after it."""
    half = len(request.body) // 2
    parts = iter(
        [
            {"type": "http.request", "body": request.body[:half], "more_body": True},
            {"type": "http.request", "body": request.body[half:], "more_body": False},
        ]
    )
    answer = Answer()

    async def receive() -> Any:
        return next(parts, {"type": "http.disconnect"})

    async def take(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(request.scope(), receive, take)
    for name, value in answer.headers:
        assert not {*name, *value} & set(b"\r\n\0"), name
    return answer
