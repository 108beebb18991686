"""The policy core stands on its own."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "package",
    ["aiokafka", "asyncio", "faststream", "logging", "prometheus_client", "sqlite3", "structlog"],
)
def test_core_does_not_import(package: str) -> None:
    """Importing the core loads no broker, log, metric or database."""
    script = (
        "import sys, purposewatch_policy.decide, purposewatch_policy.load\n"
        f"sys.exit({package!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
