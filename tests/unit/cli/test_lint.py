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
    status, output = lint("--policies", "policies")

    assert status == 0
    assert "linggan-house" in output
    assert "wework-labs" in output


def test_a_fault_is_printed_with_its_place(tree: Path) -> None:
    """File and line lead the message, as editors expect it."""
    place = spoil(tree, "wework-labs")

    status, output = lint("--policies", "policies")

    assert status == 1
    assert any(line.startswith(place) and "`nonsense`" in line for line in output.splitlines()), (
        output
    )


@pytest.mark.parametrize("path", ["policies/linggan-house", "policies/linggan-house/"])
def test_one_controller_is_linted_without_its_neighbours_faults(tree: Path, path: str) -> None:
    """A team answers for its own policy."""
    spoil(tree, "wework-labs")

    status, output = lint("--policies", path)

    assert status == 0
    assert "nonsense" not in output


def test_the_working_directory_may_be_the_controllers(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The common vocabulary is found beside it."""
    spoil(tree, "wework-labs")
    monkeypatch.chdir(tree / "wework-labs")

    status, output = lint("--policies", ".")

    assert status == 1
    assert "policy.2018-05-25.yaml" in output


def test_a_path_that_is_no_directory_is_a_fault(tree: Path) -> None:
    """The message says what to name."""
    status, output = lint("--policies", "policies/nowhere")

    assert status == 1
    assert "policies/nowhere: " in output
    assert "is not a directory; name the policies' directory" in output


def test_directory_as_an_argument_still_counts_with_a_warning(tree: Path) -> None:
    """Scripts and pre-commit configurations that name it so keep working."""
    spoil(tree, "wework-labs")

    result = runner.invoke(app, ["policy", "lint", "policies/linggan-house"])

    assert result.exit_code == 0
    assert "nonsense" not in result.output
    assert "as an argument is deprecated; use `--policies policies/linggan-house`" in result.stderr
    tested = runner.invoke(app, ["policy", "test", "policies/linggan-house"])
    assert (tested.exit_code, "is deprecated" in tested.stderr) == (0, True)


def test_the_variable_names_the_policies_of_every_command(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lint`, `test` and `show` read them as `check` and `explain` do."""
    monkeypatch.setenv("PURPOSEWATCH_POLICIES_DIR", str(tree))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert lint()[0] == 0
    assert runner.invoke(app, ["policy", "test"]).exit_code == 0
    assert runner.invoke(app, ["policy", "show", "--controller", "wework-labs"]).exit_code == 0


def test_notes_come_last_and_are_counted_unless_asked_for(tree: Path) -> None:
    """Dozens of notes of one rule would hide what is more severe."""
    _, output = lint()
    lines = output.splitlines()
    note, *others = (line for line in lines if line.startswith("note["))
    number = int(note.split(": ")[2].split()[0])

    assert note.startswith("note[sensitive-without-condition]: ")
    assert number > 10
    assert max(n for n, line in enumerate(lines) if ": warning[" in line) < lines.index(note)
    total = number + sum(int(line.split(": ")[2].split()[0]) for line in others)
    assert f"{total} notes" in lines[-1]

    _, verbose = lint("--verbose")
    notes = [line for line in verbose.splitlines() if ": note[" in line]
    assert len(notes) == total


def test_errors_come_before_warnings(tree: Path) -> None:
    """Whichever file they are in."""
    spoil(tree, "wework-labs")

    severities = [
        line.partition("[")[0].rpartition(" ")[2]
        for line in lint("--verbose")[1].splitlines()
        if line.startswith("policies/")
    ]

    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert set(severities) == {"error", "warning", "note"}


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        *(("policy", name) for name in ("lint", "test", "explain", "diff", "show")),
    ],
)
def test_help_shows_an_example_and_how_policies_are_named(command: tuple[str, ...]) -> None:
    """The same option for every command that reads policies."""
    output = runner.invoke(app, [*command, "--help"], env={"COLUMNS": "120"}).output

    assert f"Example: purposewatch {' '.join(command)}" in output
    assert "--policies" in output
