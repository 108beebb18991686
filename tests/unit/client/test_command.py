"""The command sends what ended processes left, and says what is left."""

import json
from pathlib import Path

import pytest

from purposewatch_client import Client, ClientSettings
from purposewatch_client.__main__ import main
from purposewatch_client.settings import PREFIX
from purposewatch_client.spool_sink import SpoolSink
from tests.harness.fake_ingest import FakeIngest


def test_a_spool_is_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status says whether something is left."""
    spool = tmp_path / "spool"
    settings = ClientSettings(
        source="/portal",
        ingest_url="http://127.0.0.1:1",
        spool=spool,
        controller="wework-labs",
        role="member",
    )
    dead = Client(settings, SpoolSink(settings))
    for number in range(30):
        dead.record(subject=number, operation="use", purpose="service", categories="user")
    dead.close(0.0)
    with FakeIngest() as ingest:
        for name, value in {
            "SOURCE": "/portal",
            "SPOOL": str(spool),
            "INGEST_URL": ingest.url,
        }.items():
            monkeypatch.setenv(f"{PREFIX}{name}", value)
        assert main(["status"]) == 1
        assert main(["drain", "--timeout", "10"]) == 0
        assert main(["status"]) == 0
        assert len(ingest.ids) == 30
    before, drained, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert before["spool_bytes"] > 0
    assert drained["sent"] == 30
    assert after["spool_bytes"] == 0
    assert list(spool.iterdir()) == []


def test_a_wrong_setting_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error."""
    monkeypatch.delenv(f"{PREFIX}SOURCE", raising=False)
    assert main(["drain"]) == 2
    assert "name the `source`" in capsys.readouterr().err
