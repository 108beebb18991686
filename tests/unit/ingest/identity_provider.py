"""An identity provider on the loopback interface: metadata, keys and client credentials."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "https://ingest.example"


class IdentityProvider:
    """Issues tokens, and publishes the keys that it signs them with."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.requests: list[str] = []
        self.is_down = False
        self.private: dict[str, Any] = {}
        self.published: dict[str, dict[str, Any]] = {}
        self.add_key("rsa-1")

    def add_key(self, key_id: str, *, algorithm: str = "RS256", **fields: Any) -> None:
        """Make a key and publish it."""
        key: Any
        if algorithm.startswith("ES"):
            key = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.private[key_id] = key
        self.published[key_id] = {**public, "kid": key_id, "use": "sig", "alg": algorithm, **fields}

    def token(self, key_id: str = "rsa-1", algorithm: str = "RS256", **claims: Any) -> str:
        """A token as for client credentials; a claim of `None` is left out."""
        now = int(time.time())
        stated = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "client-of-crm",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        stated = {name: value for name, value in stated.items() if value is not None}
        return jwt.encode(stated, self.private[key_id], algorithm, headers={"kid": key_id})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": {
                        "issuer": provider.issuer,
                        "jwks_uri": provider.issuer + "/keys",
                    },
                    "/keys": {"keys": list(provider.published.values())},
                }
                document = documents.get(self.path)
                if provider.is_down or document is None:
                    self.send_error(503)
                    return
                content = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        return Handler

    @contextmanager
    def serving(self) -> Iterator["IdentityProvider"]:
        """Answer until the block ends."""
        thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
