"""A client whose events are captured, and counts that begin at zero."""

import pytest

import purposewatch_client as purposewatch
from purposewatch_client import unresolved
from purposewatch_client.testing import Captured


@pytest.fixture
def configured(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of a service named `tests`."""
    monkeypatch.setattr(unresolved, "_counts", type(unresolved._counts)())
    purposewatch.configure(source="/tests", controller="wework-labs")
