"""Every service that loads policies takes them from a bundle, and needs no other files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from purposewatch_auditor.app import build_app as build_auditor
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_ingest.app import build_app as build_ingest
from purposewatch_ingest.settings import IngestSettings
from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.app import build_app as build_reporter
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.policy_bundle import create_bundle, public_key_text, read_bundle, sign

POLICIES = Path(__file__).parents[4] / "policies"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def settings_of(home: Path) -> dict[str, Any]:
    """What a service is given: a signed bundle, and no directory of policies."""
    archive = create_bundle(POLICIES, number=7, created=datetime(2026, 3, 2, tzinfo=UTC))
    (home / "p.tar.gz").write_bytes(archive)
    (home / "p.tar.gz.minisig").write_text(sign(archive, KEY, comment="number:7"))
    (home / "keys.pub").write_text(public_key_text(KEY))
    return {
        "policies_dir": home / "nowhere",
        "policies_bundle": str(home / "p.tar.gz"),
        "policies_bundle_keys_file": home / "keys.pub",
        "policies_bundle_dir": home / "used",
    }


def build(service: str, home: Path, settings: dict[str, Any]) -> Any:
    """The application of a service."""
    if service == "auditor":
        return build_auditor(AuditorSettings(**settings, facts_dir=home / "facts"))[0]
    if service == "reporter":
        url: Any = f"sqlite+aiosqlite:///{home}/ledger.db"
        return build_reporter(ReporterSettings(**settings, database_url=url))[0]
    register, key = home / "publishers.yaml", "ab" * 32
    register.write_text("publishers: {}\n")
    return build_ingest(IngestSettings(**settings, publishers_file=register, pseudonym_key=key))[0]


@pytest.mark.parametrize("service", ["ingest", "auditor", "reporter"])
async def test_a_service_uses_the_bundle(service: str, tmp_path: Path) -> None:
    """Its metrics name the bundle; the auditor's name the policies that were in it."""
    settings = settings_of(tmp_path)
    app = build(service, tmp_path, settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        metrics = (await client.get("/metrics")).text
    digest = read_bundle((tmp_path / "p.tar.gz").read_bytes()).digest
    assert f'purposewatch_policy_bundle_number{{digest="{digest}"}} 7.0' in metrics
    assert ('controller="linggan-house"' in metrics) == (service == "auditor")


@pytest.mark.parametrize("service", ["ingest", "auditor", "reporter"])
def test_a_service_refuses_a_bundle_that_somebody_changed(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not start, and says why."""
    monkeypatch.setattr("purposewatch_runtime.policy_bundle.component.time.sleep", lambda _: None)
    settings = settings_of(tmp_path)
    archive = create_bundle(POLICIES, number=8, created=datetime(2026, 3, 2, tzinfo=UTC))
    (tmp_path / "p.tar.gz").write_bytes(archive)
    with pytest.raises(InvalidSourceError, match="not what the key"):
        build(service, tmp_path, settings)
