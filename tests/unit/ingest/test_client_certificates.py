"""Publishers that are known by their client certificate, over TLS."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from cryptography import x509
from fastapi import FastAPI
from pydantic import ValidationError

from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.settings import IngestSettings
from purposewatch_runtime.http import HttpLimits, TlsError
from purposewatch_runtime.service import watch_tls
from tests.harness.certificates import Authority
from tests.harness.http_server import serving
from tests.unit.ingest.conftest import AUTHORIZED, FakeProducer

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
STRUCTURED = {"Content-Type": "application/cloudevents+json"}


@pytest.fixture
def publisher() -> Publisher:
    """A publisher with a name of SPIFFE."""
    names = frozenset({"URI:spiffe://example/crm"})
    return Publisher("crm", frozenset({"wework-labs"}), certificate_names=names)


def settings(**changed: Any) -> IngestSettings:
    """Settings of ingest with TLS."""
    stated = {"publishers_file": "publishers.yaml", "pseudonym_key": "ab" * 32, **changed}
    return IngestSettings.model_validate(stated)


def test_certificate_stands_for_a_key(
    api: FastAPI, producer: FakeProducer, event: MakeEvent, tmp_path: Path
) -> None:
    """Without `Authorization`; a header that is sent decides, and others still use keys."""
    authority = Authority(tmp_path)
    files = settings(
        ingest_tls_certfile=authority.issue("localhost", x509.DNSName("localhost")),
        ingest_tls_client_cafile=authority.cafile,
    ).tls_files()
    tls = watch_tls(files, interval_seconds=1)
    assert tls is not None
    known = authority.issue("a", x509.UniformResourceIdentifier("spiffe://example/crm"))
    unknown = authority.issue("b", x509.UniformResourceIdentifier("spiffe://example/other"))
    wrong = {"Authorization": "Bearer wrong"}
    with serving(api, HttpLimits(), lambda: tls.current) as running:
        statuses = []
        for certificate, headers in (
            (known, {}),
            (known, wrong),
            (unknown, {}),
            (unknown, AUTHORIZED),
            (None, {}),
            (None, AUTHORIZED),
        ):
            answer = httpx.post(
                f"https://localhost:{running.port}/v1/events",
                verify=authority.client(certificate),
                json=event(),
                headers={**STRUCTURED, **headers},
            )
            statuses.append(answer.status_code)
            if certificate is unknown and not headers:
                assert "certificate is of no registered publisher" in answer.json()["detail"]
    accepted, refused = HTTPStatus.ACCEPTED, HTTPStatus.UNAUTHORIZED
    assert [accepted, refused, refused, accepted, refused, accepted] == statuses
    assert len(producer.records) == 3


def test_changed_certificate_is_loaded_and_a_faulty_one_is_not(tmp_path: Path) -> None:
    """The last good one stays in use; at the start a faulty one is an error."""
    authority = Authority(tmp_path)
    certfile = authority.issue("localhost")
    files = settings(ingest_tls_certfile=certfile).tls_files()
    tls = watch_tls(files, interval_seconds=1)
    assert tls is not None
    first = tls.current
    certfile.write_text("not a certificate")
    assert not tls.refresh()
    assert tls.current is first
    with pytest.raises(TlsError):
        watch_tls(files, interval_seconds=1)
    authority.issue("localhost")
    assert tls.refresh()
    assert tls.current is not first


@pytest.mark.parametrize("name", ["ingest_tls_keyfile", "ingest_tls_client_cafile"])
def test_tls_needs_a_certificate(name: str) -> None:
    """Client certificates are not accepted over plain HTTP."""
    assert settings().tls_files() is None
    assert watch_tls(None, interval_seconds=1) is None
    with pytest.raises(ValidationError, match="TLS_CERTFILE"):
        settings(**{name: "file.pem"})
