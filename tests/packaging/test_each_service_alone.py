"""Services and connectors install from their own pinned requirements and import alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith(("__main__", ".env")) and ".versions." not in module.name:
        importlib.import_module(module.name)
"""


SHARED = ("shared/policy", "shared/contract", "shared/runtime")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "package", "distributions"),
    [
        *(
            (name, f"purposewatch_{name}", (f"services/{name}",))
            for name in ("ingest", "auditor", "reporter")
        ),
        ("connectors", "purposewatch_connect", ("clients/python", "connectors")),
    ],
)
def test_it_installs_and_imports_alone(
    name: str, package: str, distributions: tuple[str, ...], tmp_path: Path
) -> None:
    """A fresh environment with only its own requirements runs every import."""
    python = tmp_path / "bin" / "python"
    # the pip of this environment: to install one in each takes longer than all else
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-compile"]
    requirements = ROOT / "requirements" / f"{name}.txt"
    local = [str(ROOT / each) for each in (*SHARED, *distributions)]

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    subprocess.run([*install, "--require-hashes", "-r", str(requirements)], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", *local], check=True)

    subprocess.run([str(python), "-c", IMPORT_EVERYTHING, package], check=True)
    listed = subprocess.run([*pip, "check"], check=True, capture_output=True, text=True)
    assert listed.stdout.strip() == "No broken requirements found."
