"""`purposewatch demo`: which policies it takes."""

from pathlib import Path

import pytest

from purposewatch_demo import command
from purposewatch_demo.command import default_policies


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The policies that the wheel of the demo installs; the working directory holds none."""
    monkeypatch.setattr(command, "get_path", lambda _: str(tmp_path / "prefix"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "prefix" / "share" / "purposewatch" / "policies"


def test_policies_of_the_working_directory_come_first(installed: Path) -> None:
    """Whoever works on policies sees them in the demo."""
    installed.mkdir(parents=True)
    Path("policies").mkdir()

    assert default_policies() == Path("policies")


def test_demo_brings_its_own_policies(installed: Path) -> None:
    """So that it runs from its wheel, without the repository."""
    installed.mkdir(parents=True)

    assert default_policies() == installed


def test_missing_policies_are_looked_for_where_the_user_can_put_them(installed: Path) -> None:
    """The message then names a directory that means something to them."""
    assert not installed.exists()
    assert default_policies() == Path("policies")
