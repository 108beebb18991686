"""The committed AsyncAPI documents satisfy the specification, as `@asyncapi/parser` reads it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted((ROOT / "docs" / "asyncapi").glob("*.json"))
PARSER = "@asyncapi/parser@3.6.6"
_INSTALLED = ROOT / "build" / "asyncapi-parser"
_CHECK = Path(__file__).with_name("check_asyncapi.mjs")
_REQUIRED = "PURPOSEWATCH_REQUIRE_NODE"
_WARNING = 1
"""Severities up to this one are errors and warnings; beyond are hints."""


@pytest.fixture(scope="module")
def checked() -> dict[str, Any]:
    """What the parser says of each document. It is installed once, below `build`."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        if os.environ.get(_REQUIRED):
            pytest.fail(f"{_REQUIRED} is set, but node and npm are not installed")
        pytest.skip("needs node and npm (Debian: nodejs, npm)")
    if not (_INSTALLED / "node_modules" / "@asyncapi" / "parser").exists():
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run([*install, f"--prefix={_INSTALLED}", PARSER], check=True, timeout=240)
    command = [node, *map(str, (_CHECK, _INSTALLED, *DOCUMENTS))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_document_is_valid(checked: dict[str, Any], path: Path) -> None:
    """The parser reads every channel, and finds neither an error nor a warning."""
    found = checked[str(path)]
    faults = [each for each in found["diagnostics"] if each["severity"] <= _WARNING]
    assert faults == []
    channels = json.loads(path.read_text(encoding="utf-8"))["channels"].values()
    assert sorted(found["channels"]) == sorted(channel["address"] for channel in channels)
