"""The hooks that pre-commit finds in this repository."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from purposewatch_cli.main import app


@pytest.fixture
def hooks(pytestconfig: pytest.Config) -> dict[str, dict[str, Any]]:
    text = Path(pytestconfig.rootpath / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    return {hook["id"]: hook for hook in yaml.safe_load(text)}


def test_each_hook_says_what_pre_commit_needs(hooks: dict[str, dict[str, Any]]) -> None:
    """The whole tree is checked once, whichever of its files changed."""
    assert set(hooks) == {"purposewatch-policy-lint", "purposewatch-policy-test"}
    for hook in hooks.values():
        assert {"id", "name", "entry", "language", "files"} <= hook.keys()
        assert hook["pass_filenames"] is False
        assert hook["entry"].startswith("purposewatch policy ")


def test_the_lint_hook_calls_a_command_that_there_is(
    hooks: dict[str, dict[str, Any]], pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry and default arguments pass on this repository's own policies."""
    monkeypatch.chdir(pytestconfig.rootpath)
    hook = hooks["purposewatch-policy-lint"]
    arguments = [*hook["entry"].split()[1:], *hook["args"]]

    assert CliRunner().invoke(app, arguments).exit_code == 0
