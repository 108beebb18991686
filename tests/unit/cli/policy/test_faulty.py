"""Each fault that `policy lint` knows is told exactly where it is."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from purposewatch_policy.lint import RULES
from tests.unit.cli.policy.trees import FAULTS, copy_faulty, copy_sound


def lint(directory: Path) -> str:
    os.chdir(directory)
    return CliRunner().invoke(app, ["policy", "lint"], env={"COLUMNS": "200"}).output


@pytest.fixture(autouse=True)
def _return_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.name)
def test_fault_is_reported_where_it_is(fault: Path, tmp_path: Path) -> None:
    """A sound tree with one faulty file gives exactly the expected lines."""
    copy_faulty(fault, tmp_path / "policies")

    output = lint(tmp_path)

    assert (fault / "expected.txt").read_text(encoding="utf-8") == output


def test_the_sound_tree_has_no_findings(tmp_path: Path) -> None:
    """What the faults are laid over has none of its own."""
    copy_sound(tmp_path / "policies")

    assert lint(tmp_path) == "acme 1: 3 statements\nno findings\n"


def test_every_rule_has_a_fault_that_shows_it() -> None:
    """No rule goes without an example of what it finds."""
    outputs = "".join((each / "expected.txt").read_text(encoding="utf-8") for each in FAULTS)

    assert not [rule for rule in RULES if f"[{rule}]: " not in outputs]
