"""A mapping file for each test, and an observation to vary."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from purposewatch_connect.mapping import Action, Mapping, Observation, load_mapping

OBSERVATION = Observation(
    identity="log/1",
    time=datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
    action=Action.READ,
    services=("portal",),
    dataset="portal.public.members",
    columns=("email",),
    subjects={"member_id": ("m-7",)},
)


@pytest.fixture
def mapping_of(tmp_path: Path) -> Callable[[str], Mapping]:
    """Loads a mapping from text."""

    def load(text: str) -> Mapping:
        path = tmp_path / "mapping.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return load_mapping(path)

    return load


def observed(**changes: Any) -> Observation:
    """The usual observation, with changes."""
    return replace(OBSERVATION, **changes)
