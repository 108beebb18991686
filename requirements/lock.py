"""Write the hash-pinned requirement files from what the distributions declare.

Needs pip-tools (`make lock` runs it in the development environment). The files name no index, so
that whoever installs them chooses where packages come from.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BUILD = ["hatchling", "editables"]
"""What the distributions are built with; installed from here, so that builds are pinned too."""

SHARED = ["shared/policy", "shared/contract", "shared/runtime"]
TRACED = ["shared/policy", "shared/contract", "shared/runtime[traces]"]
SETS: dict[str, list[str]] = {
    "policy": ["shared/policy"],
    "ingest": [*TRACED, "services/ingest"],
    "auditor": [*TRACED, "services/auditor"],
    "reporter": [*TRACED, "services/reporter"],
    "connectors": [*SHARED, "clients/python", "connectors"],
    "cli": [*SHARED, "cli", "demo"],
    "run": [
        *SHARED,
        "clients/python",
        "services/ingest",
        "services/auditor",
        "services/reporter",
        "connectors",
        "cli",
        "demo[services]",
    ],
}
"""The distributions of each set, with the extras that are wanted of them."""

COMPILERS = ["mypy", "setuptools"]
"""What the decision engine is compiled with, beside what it needs itself."""

TOOLS = ("bench", "fuzz", "audit")
"""Sets that are named in files of their own; each is installed by the targets that need it."""

LIBRARY = "policy"
"""The set without what builds it, since it shows how little the library needs."""


def _table(directory: str) -> dict[str, object]:
    with (ROOT / directory / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def _declared(distribution: str) -> set[str]:
    directory, _, extras = distribution.rstrip("]").partition("[")
    project = _table(directory)["project"]
    assert isinstance(project, dict)  # noqa: S101 - the shape of a pyproject file
    optional = project.get("optional-dependencies", {})
    wanted = [optional[extra] for extra in extras.split(",") if extra]
    lists = [project.get("dependencies", []), *wanted]
    return {line for group in lists for line in group if not line.startswith("purposewatch")}


def _compile(name: str, lines: set[str], constraint: str | None) -> None:
    target = ROOT / "requirements" / f"{name}.txt"
    with tempfile.NamedTemporaryFile("w", suffix=".in", delete=False) as source:
        source.write("\n".join(sorted(lines)) + "\n")
        if constraint:
            source.write(f"-c {ROOT / 'requirements' / constraint}\n")
    subprocess.run(  # noqa: S603 - our own arguments
        [
            *(sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes"),
            *("--strip-extras", "--no-header", "--no-annotate", "--allow-unsafe"),
            *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
            *("--output-file", str(target), source.name),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    Path(source.name).unlink()


def main() -> None:
    """Pin everything first, then each service's share of it at the same versions."""
    everything = {line for directory in SETS["run"] for line in _declared(directory)}
    groups = _table(".")["dependency-groups"]
    assert isinstance(groups, dict)  # noqa: S101 - the shape of a pyproject file
    _compile("dev", everything | set(groups["dev"]) | set(BUILD), None)
    for name, directories in SETS.items():
        lines = {line for directory in directories for line in _declared(directory)}
        build = set() if name == LIBRARY else set(BUILD)
        _compile(name, lines | build, "dev.txt")
    _compile("engine", _declared("shared/policy[compiled]") | set(COMPILERS), "dev.txt")
    _compile("docs", set(groups["docs"]), "dev.txt")
    for name in TOOLS:
        listed = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8")
        _compile(name, set(listed.splitlines()), "dev.txt")


if __name__ == "__main__":
    main()
