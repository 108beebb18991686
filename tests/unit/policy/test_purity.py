"""The policy engine stands on its own."""

import pkgutil
import subprocess
import sys

import pytest

import purposewatch_policy

FOREIGN = (
    "aiokafka",
    "asyncio",
    "faststream",
    "httpx",
    "logging",
    "prometheus_client",
    "purposewatch_contract",
    "purposewatch_runtime",
    "sqlalchemy",
    "sqlite3",
    "structlog",
)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Every module that is loaded after all of the engine's modules are imported."""
    own = sorted(
        each.name
        for each in pkgutil.walk_packages(purposewatch_policy.__path__, "purposewatch_policy.")
    )
    script = f"import sys, {', '.join(own)}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    modules = set(run.stdout.split())
    assert modules >= set(own)
    return modules


@pytest.mark.parametrize("package", FOREIGN)
def test_the_engine_does_not_import(package: str, loaded: set[str]) -> None:
    """The whole engine loads no broker, HTTP client, log, metric or database."""
    assert package not in loaded
