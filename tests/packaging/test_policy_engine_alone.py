"""The policy engine is a library that needs next to nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "shared" / "policy"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

PYDANTIC = {
    "annotated-types",
    "pydantic",
    "pydantic-core",
    "typing-extensions",
    "typing-inspection",
}


@pytest.mark.timeout(300)
def test_engine_installs_with_pydantic_and_yaml_alone(tmp_path: Path) -> None:
    """In an empty environment the README's example decides, explains and mends a flow."""
    environment, wheels = tmp_path / "environment", tmp_path / "wheels"
    python = environment / "bin" / "python"
    into = [*PIP, "--python", str(python)]
    requirements = ROOT / "requirements" / "policy.txt"
    build = [*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    example = re.search(
        r"^```python\n(.*?)^```$",
        (ENGINE / "README.md").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert example is not None

    venv = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(venv, check=True)
    subprocess.run(
        [*into, "install", "--quiet", "--require-hashes", "-r", str(requirements)], check=True
    )
    subprocess.run([*build, str(ENGINE)], check=True)
    subprocess.run(
        [*into, "install", "--quiet", "--no-deps", *map(str, wheels.glob("*.whl"))], check=True
    )

    listed = subprocess.run(
        [*into, "list", "--format=json"], check=True, capture_output=True, text=True
    )
    installed = {each["name"].lower().replace("_", "-") for each in json.loads(listed.stdout)}
    assert installed == {"purposewatch-policy", "pyyaml", *PYDANTIC}
    subprocess.run([*into, "check"], check=True, stdout=subprocess.DEVNULL)
    run = subprocess.run(
        [str(python), "-c", example[1]], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.startswith("violation undeclared_source\n")
    assert run.stdout.endswith("Then: permitted\n")
