"""Settings are refused with the variable's name and what to do."""

import os

import pytest
from pydantic import ValidationError

from purposewatch_reporter.settings import ReporterSettings

TOKEN = "a token of enough letters"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests say themselves what is set."""
    for name in [name for name in os.environ if name.startswith("PURPOSEWATCH_")]:
        monkeypatch.delenv(name)


def test_the_defaults_are_safe() -> None:
    """Loopback, a file, no channel."""
    settings = ReporterSettings()
    assert settings.reporter_http_host == "127.0.0.1"
    assert settings.webhook_url is None
    assert settings.public_url == "http://127.0.0.1:8602"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "reporter.internal", "192.168.1.5"])
def test_an_open_host_needs_a_token(host: str) -> None:
    """Whoever reaches the host could read every violation."""
    with pytest.raises(ValidationError, match="PURPOSEWATCH_REPORTER_API_TOKEN"):
        ReporterSettings(reporter_http_host=host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.5", "::1"])
def test_a_loopback_host_needs_none(host: str) -> None:
    """Only this machine reaches it."""
    assert host == ReporterSettings(reporter_http_host=host).reporter_http_host


def test_a_reporter_without_a_token_knows_its_names() -> None:
    """This machine's, that of the host and of the public URL, and those that are set."""
    settings = ReporterSettings(
        reporter_http_host="127.0.0.5",
        reporter_public_url="https://Privacy.example:8443/page",
        reporter_allowed_hosts="ledger.internal, ,[FD00::1]",
    )

    own = {"localhost", "127.0.0.1", "::1", "127.0.0.5", "privacy.example"}
    assert settings.allowed_hosts == own | {"ledger.internal", "fd00::1"}


@pytest.mark.parametrize(
    "faulty",
    [
        {"database_url": "mysql://secret-value@db/x"},
        {"database_url": "sqlite+aiosqlite://"},
        {"database_url": "sqlite+aiosqlite:///:memory:"},
        {"webhook_url": "ftp://secret-value/x"},
        {"webhook_url": "secret-value"},
        {"webhook_secret": "short"},
        {"reporter_api_token": "short"},
    ],
)
def test_faulty_values_are_refused_and_not_quoted(faulty: dict[str, str]) -> None:
    """Addresses and tokens are secrets."""
    with pytest.raises(ValidationError) as caught:
        ReporterSettings.model_validate(faulty)
    assert "secret-value" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    """In a log or a traceback."""
    settings = ReporterSettings.model_validate(
        {
            "database_url": "postgresql+asyncpg://u:secret-value@db/x",
            "webhook_url": "https://hooks.example/secret-value",
            "webhook_secret": "secret-value-secret-value",
            "reporter_api_token": "secret-value-secret-value",
        }
    )
    assert "secret-value" not in repr(settings)
