"""Each distribution is used through names that one of its packages or modules makes public."""

import ast
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREFIX = "purposewatch_"
SOURCES = sorted(
    path
    for pattern in (
        "shared/*/src",
        "clients/*/src",
        "services/*/src",
        "connectors/src",
        "cli/src",
        "demo/src",
    )
    for directory in ROOT.glob(pattern)
    for path in directory.glob("*")
    if path.name.startswith(PREFIX) and path.is_dir()
)


def imports_of_others(package: Path) -> Iterator[tuple[str, str, str | None]]:
    """Where each import of another of our distributions is, what it names, and what of that."""
    own = {path.stem for path in package.parent.iterdir()}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[tuple[str, str | None]] = []
            if isinstance(node, ast.Import):
                names = [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [(node.module, alias.name) for alias in node.names]
            for module, name in names:
                if module.startswith(PREFIX) and module.split(".")[0] not in own:
                    where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                    yield where, module, name


def fault(module: str, name: str | None) -> str | None:
    """Why this import reaches behind an interface, or None if it does not."""
    public = exported(module)
    if name is None:
        return None if public else f"`{module}` is internal: it has no `__all__`"
    if name in public or exported(f"{module}.{name}"):
        return None
    return f"`{module}` does not list `{name}` in an `__all__`"


def exported(module: str) -> Sequence[str]:
    """The names in the `__all__` of a package or module; empty without one."""
    try:
        names: Sequence[str] = getattr(importlib.import_module(module), "__all__", ())
    except ModuleNotFoundError:
        return ()
    return names


@pytest.mark.parametrize("package", SOURCES, ids=lambda path: path.name)
def test_imports_only_public_names_of_other_distributions(package: Path) -> None:
    """What a package does not list in `__all__` can change without notice."""
    faults = [
        f"{where}: {reason}"
        for where, module, name in imports_of_others(package)
        if (reason := fault(module, name))
    ]
    assert faults == []


def test_every_distribution_is_looked_at() -> None:
    """A distribution in a new folder is not left out."""
    declared = [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")]
    assert len(declared) == len(SOURCES)
