"""The health check of the images."""

from pathlib import Path

import pytest
from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from purposewatch_runtime.http import HttpLimits, TlsFiles
from purposewatch_runtime.probe import main
from purposewatch_runtime.service import watch_tls
from tests.harness.certificates import Authority
from tests.harness.http_server import serving
from tests.harness.ports import take_port


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("secured", [False, True])
def test_the_status_tells_whether_the_service_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, *, secured: bool
) -> None:
    """With TLS as well, whatever the certificate says; one of several ports is enough."""

    async def readyz(_: Request) -> Response:
        return Response(status_code=status)

    app = Starlette(routes=[Route("/readyz", readyz)])
    files = TlsFiles(Authority(tmp_path).issue("ingest", x509.DNSName("ingest")))
    if secured:
        monkeypatch.setenv("PURPOSEWATCH_INGEST_TLS_CERTFILE", str(files.certfile))
    tls = watch_tls(files if secured else None, interval_seconds=60)
    with serving(app, HttpLimits(), None if tls is None else lambda: tls.current) as server:
        ports = [str(take_port()), str(server.port)]
        assert main(ports) == (0 if status == 200 else 1)


def test_nobody_there_is_not_ready() -> None:
    """At once."""
    assert main([str(take_port())]) == 1
