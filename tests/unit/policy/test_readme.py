"""The README of the policy engine shows what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = "shared/policy/README.md"


def test_the_example_prints_what_the_readme_says(pytestconfig: pytest.Config) -> None:
    """The example runs as it is written, from the root of the repository."""
    text = (pytestconfig.rootpath / README).read_text(encoding="utf-8")
    example, output = code_blocks(text, "python"), code_blocks(text, "text")

    run = subprocess.run(
        [sys.executable, "-c", *example],
        cwd=pytestconfig.rootpath,
        check=True,
        capture_output=True,
        text=True,
    )

    assert output == [run.stdout]


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_readme_names_every_public_package(pytestconfig: pytest.Config) -> None:
    """No package that others may import is left out."""
    text = (pytestconfig.rootpath / README).read_text(encoding="utf-8")
    packages = Path(pytestconfig.rootpath / "shared/policy/src/purposewatch_policy").glob(
        "*/__init__.py"
    )
    names = {f"purposewatch_policy.{path.parent.name}" for path in packages}
    assert names == set(re.findall(r"^\| `([a-z_.]+)`", text, re.MULTILINE))
