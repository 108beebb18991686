"""The settings of ingest."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from purposewatch_ingest.pseudonyms.key_file import decode_key
from purposewatch_ingest.settings import IngestSettings

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode(),
    ],
)
def test_pseudonym_key_is_hex_or_base64(text: str) -> None:
    """The key is the same however it is written."""
    assert decode_key(text) == KEY


@pytest.mark.parametrize("text", ["", "secret", KEY.hex()[:62], "ä" * 64, "!" * 64])
def test_short_or_unreadable_pseudonym_key_is_refused(text: str) -> None:
    """A weak key is an error that says how to make one, without showing it."""
    with pytest.raises(ValidationError, match="openssl rand -hex 32") as raised:
        IngestSettings(publishers_file=Path("p.yaml"), pseudonym_key=text)
    assert not text or text not in str(raised.value)


def test_pseudonym_key_is_required_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no default key, and printing the settings doesn't print it."""
    with pytest.raises(ValidationError):
        IngestSettings(publishers_file=Path("p.yaml"))
    monkeypatch.setenv("PURPOSEWATCH_PSEUDONYM_KEY", KEY.hex())
    monkeypatch.setenv("PURPOSEWATCH_PUBLISHERS_FILE", "p.yaml")
    settings = IngestSettings()
    assert KEY.hex() not in repr(settings)


SETTINGS = {"publishers_file": Path("p.yaml"), "pseudonym_key": KEY.hex()}
OIDC = {"ingest_oidc_issuer": "https://login.example", "ingest_oidc_audience": "ingest"}


def test_identity_provider_is_off_unless_set() -> None:
    """Then no token is accepted."""
    assert IngestSettings.model_validate(SETTINGS).token_policy() is None
    policy = IngestSettings.model_validate(SETTINGS | OIDC).token_policy()
    assert policy is not None
    assert policy.algorithms == ("RS256", "ES256")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ingest_oidc_issuer": "http://login.example"}, "https"),
        ({"ingest_oidc_jwks_url": "file:///keys"}, "https"),
        ({"ingest_oidc_audience": None}, "OIDC_AUDIENCE"),
        ({"ingest_oidc_algorithms": "RS256,HS256"}, "must be some of"),
        ({"ingest_oidc_algorithms": "none"}, "must be some of"),
    ],
)
def test_unsafe_identity_provider_is_an_error(changed: dict[str, Any], message: str) -> None:
    """Keys that can be changed on the way, tokens for anybody, and shared secrets."""
    with pytest.raises(ValidationError, match=message):
        IngestSettings.model_validate(SETTINGS | OIDC | changed)
