"""Debian's Prometheus tools, as far as this machine has them."""

import shutil
import subprocess
from pathlib import Path

from tests.harness.required import skip_without

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules"
ALERTMANAGER_CONFIGURATION = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"

_REQUIRED = "PURPOSEWATCH_REQUIRE_PROMETHEUS"


def require(*programs: str) -> None:
    """Skip the test where a program is missing; fail it where they are required."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    reason = f"{', '.join(missing)} not found; Debian has prometheus and prometheus-alertmanager"
    skip_without(reason, _REQUIRED)


def run(*command: str) -> str:
    """What the command prints; fails the test with it when the command fails."""
    require(command[0])
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
