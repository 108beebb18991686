"""How the example publishers for Kafka are compiled and run, for each language."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness import kafka_jars
from tests.harness.required import skip_without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROOT = Path(__file__).parents[2]
_EXAMPLES = _ROOT / "examples" / "publishers" / "kafka"
_BUILD = _ROOT / "build" / "example-publishers"
_TIMEOUT = 240.0


def command(language: str) -> list[str]:
    """Return the command of an example, compiled; skip the test without the language's tools."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    return _COMMANDS[language]()


def _java() -> list[str]:
    java = kafka_jars.java_executable()
    compiler = shutil.which("javac", path=str(Path(java).resolve().parent)) if java else None
    if java is None or compiler is None:
        skip_without("the Java compiler isn't installed", "PURPOSEWATCH_REQUIRE_APACHE_KAFKA")
    jars = kafka_jars.resolve()
    found = [*jars.glob("kafka-clients-*.jar"), *jars.glob("slf4j-api-*.jar")]
    path = ":".join(map(str, found))
    source = _EXAMPLES / "PublishToKafka.java"
    _run([compiler, "-Xlint", "-Werror", "-cp", path, "-d", str(_BUILD), str(source)])
    return [java, "-XX:TieredStopAtLevel=1", "-cp", f"{path}:{_BUILD}", source.stem]


def _go() -> list[str]:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go isn't installed")
    needed = _version(r"(?m)^go (\d+)\.(\d+)", (_EXAMPLES / "go.mod").read_text())
    installed = _version(r"go(\d+)\.(\d+)", _run([go, "env", "GOVERSION"]))
    if installed < needed:
        pytest.skip(f"Go is version {installed}; the example needs {needed}")
    program = _BUILD / "publish"
    _run([go, "build", "-o", str(program), "."], cwd=_EXAMPLES)
    return [str(program)]


def _node() -> list[str]:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        skip_without("Node.js and npm aren't installed", "PURPOSEWATCH_REQUIRE_NODE")
    for name in ("package.json", "publish.mjs"):
        shutil.copyfile(_EXAMPLES / name, _BUILD / name)
    _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"], cwd=_BUILD)
    return [node, str(_BUILD / "publish.mjs")]


_COMMANDS: dict[str, Callable[[], list[str]]] = {"java": _java, "go": _go, "node": _node}


def _version(pattern: str, text: str) -> tuple[int, int]:
    found = re.search(pattern, text)
    assert found is not None, f"no version in {text}"
    return int(found[1]), int(found[2])


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    """Run a command, and return its output; fail the test with what it says if it fails."""
    done = subprocess.run(
        command, check=False, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
