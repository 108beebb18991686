"""A client whose events are captured, and counts that begin at zero."""

from collections import Counter

import pytest

import purposewatch_client as purposewatch
from purposewatch_client.testing import Captured


@pytest.fixture
def configured(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of a service named `tests`."""
    monkeypatch.setattr("purposewatch_client.gap_counter._counts", Counter())
    purposewatch.configure(source="/tests", controller="wework-labs")
