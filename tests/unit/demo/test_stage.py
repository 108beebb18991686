"""What a demonstration runs on."""

import socket
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from purposewatch_demo.stage import PortTakenError, prepare

CONTROLLERS = {"crm": frozenset({"wework-labs"})}


def test_the_register_holds_digests_of_the_keys_only(tmp_path: Path) -> None:
    """The keys themselves stay in memory."""
    stage = prepare(tmp_path, Path("policies"), CONTROLLERS, embedded="127.0.0.1:1")

    text = (tmp_path / "publishers.yaml").read_text()
    digest = sha256(stage.keys["crm"].encode()).hexdigest()
    expected = {"crm": {"key_sha256": [digest], "controllers": ["wework-labs"]}}
    assert yaml.safe_load(text) == {"publishers": expected}
    assert stage.keys["crm"] not in text


def test_the_callers_own_settings_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A demonstration writes into no database but its own and calls nobody's webhook."""
    monkeypatch.setenv("PURPOSEWATCH_DATABASE_URL", "postgresql+asyncpg://production/ledger")
    monkeypatch.setenv("PURPOSEWATCH_WEBHOOK_URL", "https://example.org/alert")
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL", "SSL")

    stage = prepare(tmp_path, Path("policies"), CONTROLLERS, embedded="127.0.0.1:1")

    for service in stage.services.values():
        environment = service.environment
        assert str(tmp_path) in environment["PURPOSEWATCH_DATABASE_URL"]
        assert "PURPOSEWATCH_WEBHOOK_URL" not in environment
        assert "PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL" not in environment
    assert stage.kafka.kafka_security_protocol == "PLAINTEXT"


def test_a_clusters_settings_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security settings belong to the cluster that the caller names; the topics do not."""
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS", "kafka.example.org:9093")
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("PURPOSEWATCH_TOPIC_PREFIX", "data-access")

    stage = prepare(tmp_path, Path("policies"), CONTROLLERS, embedded=None)

    environment = stage.services["ingest"].environment
    assert environment["PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS"] == "kafka.example.org:9093"
    assert environment["PURPOSEWATCH_KAFKA_SECURITY_PROTOCOL"] == "SSL"
    assert environment["PURPOSEWATCH_TOPIC_PREFIX"] == stage.kafka.topic_prefix
    assert stage.kafka.topic_prefix.startswith("purposewatch-demo-")


def test_each_service_has_a_port_of_its_own(tmp_path: Path) -> None:
    """And the message says so."""
    stage = prepare(tmp_path, Path("policies"), CONTROLLERS, embedded="127.0.0.1:1")

    ports = {service.port for service in stage.services.values()}
    assert len(ports) == 3
    environment = stage.services["auditor"].environment
    assert environment["PURPOSEWATCH_AUDITOR_HTTP_PORT"] == str(stage.services["auditor"].port)


def test_a_taken_port_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the port and the variable."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("PURPOSEWATCH_REPORTER_HTTP_PORT", str(port))
        with pytest.raises(PortTakenError, match=f"port {port} of PURPOSEWATCH_REPORTER_HTTP_PORT"):
            prepare(tmp_path, Path("policies"), CONTROLLERS, embedded="127.0.0.1:1")
