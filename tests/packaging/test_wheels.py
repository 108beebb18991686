"""The wheels of a release are complete: the command works from them, without the repository."""

import subprocess
import sys
from pathlib import Path

import pytest

from release.cut import ROOT, distributions

VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()


@pytest.mark.timeout(600)
def test_the_command_runs_from_the_wheels(tmp_path: Path) -> None:
    """As `pipx run` and `uvx` would install it: every dependency of ours comes from a wheel."""
    wheels, environment = tmp_path / "wheels", tmp_path / "environment"
    options = ("--quiet", "--disable-pip-version-check")
    directories = [str(path.parent) for path in distributions()]
    build = ("wheel", *options, "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels))
    subprocess.run([sys.executable, "-m", "pip", *build, *directories], check=True)
    assert len(list(wheels.glob(f"purposewatch*-{VERSION}-py3-none-any.whl"))) == len(directories)

    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    install = [str(environment / "bin" / "python"), "-m", "pip", "install", *options]
    requirements = str(ROOT / "requirements" / "cli.txt")
    subprocess.run([*install, "--require-hashes", "-r", requirements], check=True)
    ours = ["--no-index", "--find-links", str(wheels), "purposewatch", "purposewatch-demo"]
    subprocess.run([*install, *ours], check=True)

    command = str(environment / "bin" / "purposewatch")
    for arguments, said in (
        (("--version",), f"purposewatch {VERSION}"),
        (("policy", "lint", "--policies", str(ROOT / "policies")), "wework-labs"),
        (("demo", "--help"), "--seconds"),
    ):
        ran = subprocess.run(
            [command, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert said in ran.stdout
