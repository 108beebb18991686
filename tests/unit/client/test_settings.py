"""Settings come from arguments, then from the environment, and wrong ones are named."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import purposewatch_client as purposewatch
from purposewatch_client import ClientSettings, MemorySink, SettingsError
from purposewatch_client.settings import PREFIX, SettingsFields, from_environment


def test_arguments_win_over_the_environment() -> None:
    """Each setting by itself, with its type."""
    settings = from_environment(
        {"source": "/portal", "linger_seconds": 1.0},
        {
            f"{PREFIX}SOURCE": "/other",
            f"{PREFIX}LINGER_SECONDS": "9",
            f"{PREFIX}TIMEOUT_SECONDS": "2.5",
            f"{PREFIX}SPOOL_MAX_BYTES": "99999999",
            f"{PREFIX}SPOOL": "/var/spool/portal",
            f"{PREFIX}WHEN_FULL": "block",
        },
    )
    assert settings == ClientSettings(
        source="/portal",
        linger_seconds=1.0,
        timeout_seconds=2.5,
        spool_max_bytes=99999999,
        spool=Path("/var/spool/portal"),
        when_full="block",
    )


def test_every_setting_is_an_argument() -> None:
    """Of `configure`, for type checkers."""
    assert set(SettingsFields.__annotations__) == {
        each.name for each in dataclasses.fields(ClientSettings)
    }


@pytest.mark.parametrize(
    ("given", "environment", "said"),
    [
        ({}, {}, "name the `source`"),
        ({"source": "/portal"}, {f"{PREFIX}TIMEOUT_SECONDS": "long"}, "TIMEOUT_SECONDS must be"),
        ({"source": "/portal", "when_full": "wait"}, {}, "`when_full` must be one of"),
        ({"source": "/portal", "timeout_seconds": 0}, {}, "`timeout_seconds` must be more than 0"),
        ({"source": "/portal", "linger_seconds": -1}, {}, "`linger_seconds` must be 0 or more"),
        ({"source": "/portal", "segment_bytes": 1 << 28}, {}, "`segment_bytes` must be"),
        ({"source": "/portal", "ingest_url": "ingest:80"}, {}, "`ingest_url` must be"),
        ({"source": "portal"}, {}, "`source` must be"),
        ({"source": "/portal", "sources": 1}, {}, "sources"),
    ],
)
def test_a_wrong_setting_is_named(
    given: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    """When the process starts, not when it first records an event."""
    with pytest.raises(SettingsError, match=said):
        from_environment(given, environment)


def test_the_key_is_not_shown() -> None:
    """In logs, for example."""
    assert "pwk_" not in repr(ClientSettings(source="/portal", key="pwk_secret"))


def test_an_address_is_required_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink of one's own needs none."""
    monkeypatch.setattr("purposewatch_client.api._clients", [])
    with pytest.raises(SettingsError, match="name the `ingest_url`"):
        purposewatch.configure(source="/portal")
    client = purposewatch.configure(source="/portal", sink=MemorySink())
    assert purposewatch.get_client() is client


def test_a_process_that_is_not_configured_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line in the log."""
    monkeypatch.setattr("purposewatch_client.api._clients", [])
    for variable in ("SOURCE", "INGEST_URL"):
        monkeypatch.delenv(f"{PREFIX}{variable}", raising=False)
    for _ in range(3):
        assert purposewatch.record(subject=1) is None
    assert caplog.text.count("is not configured") == 1
    assert purposewatch.flush()
    assert purposewatch.close()
