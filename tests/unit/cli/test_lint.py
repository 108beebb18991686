"""`purposewatch policy lint`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app

runner = CliRunner()


@pytest.fixture
def tree(pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository's policies, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Path(shutil.copytree(pytestconfig.rootpath / "policies", tmp_path / "policies"))


def lint(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, ["policy", "lint", *arguments])
    return result.exit_code, result.output


def spoil(tree: Path, controller: str) -> str:
    """Misspell a purpose; the place where."""
    [path, *_] = sorted((tree / controller).glob("policy*.yaml"))
    text = path.read_text(encoding="utf-8")
    place = text.index("purposes: [")
    path.write_text(f"{text[:place]}purposes: [nonsense, {text[place + 11 :]}", encoding="utf-8")
    line = text.count("\n", 0, place) + 1
    return f"policies/{controller}/{path.name}:{line}:"


def test_the_policies_of_the_repository_have_no_errors(tree: Path) -> None:
    """Both are listed with their number of statements."""
    status, output = lint("policies")

    assert status == 0
    assert "linggan-house" in output
    assert "wework-labs" in output


def test_a_fault_is_printed_with_its_place(tree: Path) -> None:
    """File and line lead the message, as editors expect it."""
    place = spoil(tree, "wework-labs")

    status, output = lint("policies")

    assert status == 1
    assert any(line.startswith(place) and "`nonsense`" in line for line in output.splitlines()), (
        output
    )


@pytest.mark.parametrize("path", ["policies/linggan-house", "policies/linggan-house/"])
def test_one_controller_is_linted_without_its_neighbours_faults(tree: Path, path: str) -> None:
    """A team answers for its own policy."""
    spoil(tree, "wework-labs")

    status, output = lint(path)

    assert status == 0
    assert "nonsense" not in output


def test_the_working_directory_may_be_the_controllers(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The common vocabulary is found beside it."""
    spoil(tree, "wework-labs")
    monkeypatch.chdir(tree / "wework-labs")

    status, output = lint(".")

    assert status == 1
    assert "policy.2018-05-25.yaml" in output


def test_a_path_that_is_no_directory_is_a_fault(tree: Path) -> None:
    """The message says what to name."""
    status, output = lint("policies/nowhere")

    assert status == 1
    assert "policies/nowhere: " in output
    assert "is no directory; name the policies' directory" in output
