"""Certificates of the connection to Kafka: when they expire, and what a changed file does."""

import ssl
import time
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import ValidationError
from structlog.testing import capture_logs

from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import KafkaAccess
from purposewatch_runtime.kafka_certificates import KafkaCertificates
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.certificates import Authority

DAY = 86_400.0


def names_at(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The common name that a server sees of a client; both in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
    )
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    seen = ends[0].getpeercert()
    assert seen is not None
    return dict(pair for part in seen["subject"] for pair in part)["commonName"]  # type: ignore[misc]


def server_of(authority: Authority) -> ssl.SSLContext:
    """What a broker serves, which asks its clients for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("broker", x509.IPAddress(IPv4Address("127.0.0.1"))))
    context.load_verify_locations(authority.cafile)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_it_says_when_each_certificate_expires(tmp_path: Path) -> None:
    """Of several authorities, the first to expire counts."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.cafile.read_bytes() + other.cafile.read_bytes())
    certificate = authority.issue("auditor", valid=timedelta(days=9))
    expiry = KafkaCertificates(bundle, certificate).expiry
    assert expiry["client"] == pytest.approx(time.time() + 9 * DAY, abs=60)
    assert expiry["authority"] == pytest.approx(time.time() + DAY, abs=60)
    assert KafkaCertificates(None, None).expiry == {}


def test_a_new_certificate_is_presented_without_a_restart(tmp_path: Path) -> None:
    """In the context that all clients of the process share."""
    authority = Authority(tmp_path)
    used = authority.issue("auditor")
    certificates = KafkaCertificates(authority.cafile, used)
    assert names_at(server_of(authority), certificates.context) == "auditor"
    assert not certificates.refresh()
    authority.issue("renewed", valid=timedelta(days=20)).replace(used)
    assert certificates.refresh()
    assert names_at(server_of(authority), certificates.context) == "renewed"
    assert certificates.expiry["client"] == pytest.approx(time.time() + 20 * DAY, abs=60)


def test_a_new_authority_is_trusted_beside_the_old_one(tmp_path: Path) -> None:
    """So that brokers can change one after the other."""
    old, new = Authority(tmp_path), Authority(tmp_path, "new")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(old.cafile.read_bytes())
    certificates = KafkaCertificates(bundle, new.issue("auditor"))
    with pytest.raises(ssl.SSLCertVerificationError):
        names_at(server_of(new), certificates.context)
    bundle.write_bytes(new.cafile.read_bytes())
    assert certificates.refresh()
    assert names_at(server_of(new), certificates.context) == "auditor"


@pytest.mark.parametrize("variable", ["CAFILE", "CERTFILE"])
@pytest.mark.parametrize("content", [None, b"no certificate", b"\xff"])
def test_a_faulty_file_names_its_variable(
    variable: str, content: bytes | None, tmp_path: Path
) -> None:
    """At the start, as an invalid setting."""
    path = tmp_path / "faulty.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ValidationError, match=f"PURPOSEWATCH_KAFKA_SSL_{variable}.* can't be loaded"
    ):
        KafkaSettings.model_validate(
            {"kafka_security_protocol": "SSL", f"kafka_ssl_{variable.lower()}": path}
        )


def test_the_last_good_certificate_stays_in_use(tmp_path: Path) -> None:
    """A file that can't be loaded is logged; the metric shows what is used, then what is new."""
    authority = Authority(tmp_path)
    path = authority.issue("auditor")
    settings = KafkaSettings.model_validate(
        {
            "kafka_security_protocol": "SSL",
            "kafka_ssl_cafile": authority.cafile,
            "kafka_ssl_certfile": path,
        }
    )
    metric_set = m.MetricSet("auditor", version="0")
    access = KafkaAccess(
        settings, service="auditor", groups=[], client_id="test", metric_set=metric_set
    )

    def shown() -> float:
        name = m.KAFKA_CERTIFICATE_EXPIRY.name
        value = metric_set.registry.get_sample_value(name, {"certificate": "client"})
        assert value is not None
        return value

    first = shown()
    path.write_text("no certificate")
    with capture_logs() as logs:
        access._refresh_certificates()
    assert [log["event"] for log in logs] == ["certificates of Kafka not reloaded"]
    assert shown() == first
    authority.issue("renewed", valid=timedelta(days=20)).replace(path)
    access._refresh_certificates()
    assert shown() == pytest.approx(first + 19 * DAY, abs=60)
