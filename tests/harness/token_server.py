"""A token endpoint for tests: OAuth 2.0's client credentials grant, with signed tokens."""

import base64
import json
import math
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_SECRET = "s3cret/+ of the client"
ISSUER = "https://identity.test"


class TokenServer:
    """Issues tokens on the loopback interface while it is entered.

    The client's id becomes the subject, and so the user of Kafka.
    """

    def __init__(self, *, seconds: float = 300, audience: str = "kafka") -> None:
        self.seconds = seconds
        self.audience = audience
        self.status = HTTPStatus.OK
        self.issued: list[str] = []
        self.requests: list[dict[str, list[str]]] = []
        self._key = rsa.generate_private_key(65537, 2048)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def settings(self, client_id: str) -> dict[str, Any]:
        """The settings of a service that gets its tokens here."""
        return {
            "kafka_sasl_mechanism": "OAUTHBEARER",
            "kafka_oauth_token_url": self.url,
            "kafka_oauth_client_id": client_id,
            "kafka_oauth_client_secret": CLIENT_SECRET,
        }

    def write_keys(self, path: Path) -> None:
        """Write what the tokens are verified with, as a JSON Web Key Set."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        path.write_text(json.dumps({"keys": [{**key, "kid": "1", "use": "sig", "alg": "RS256"}]}))

    def issue(self, subject: str) -> str:
        """A token of this subject."""
        now = time.time()
        claims = {
            "iss": ISSUER,
            "aud": self.audience,
            "sub": subject,
            "iat": int(now),
            "exp": math.ceil(now + self.seconds),
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "1"})
        self.issued.append(token)
        return token

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request for a token."""
        size = int(request.headers["content-length"])
        self.requests.append(parse_qs(request.rfile.read(size).decode()))
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        name, _, secret = basic.partition(":")
        status, body = self.status, b"{}"
        if parse_qs(f"s={secret}")["s"] != [CLIENT_SECRET]:
            status = HTTPStatus.UNAUTHORIZED
        if status is HTTPStatus.OK:
            answer = {"access_token": self.issue(name), "token_type": "Bearer"}
            body = json.dumps(answer | {"expires_in": self.seconds}).encode()
        request.send_response(status)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            request.send_header("location", self.url)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
