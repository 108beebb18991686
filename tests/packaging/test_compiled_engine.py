"""The compiled engine is the same engine: the same tests pass, and only on the same sources."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from purposewatch_policy import native

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

ROOT = Path(__file__).parents[2]
ENGINE = "from purposewatch_policy import ENGINE; print(ENGINE)"

TESTS = (
    "tests/cases",
    "tests/unit/contract/codec/test_verdict.py",
    "tests/unit/policy/diff/test_changes.py",
    "tests/unit/policy/languages",
    "tests/unit/policy/test_against_reference.py",
    "tests/unit/policy/test_cached_decider.py",
    "tests/unit/policy/test_compile.py",
    "tests/unit/policy/test_decide.py",
    "tests/unit/policy/test_decision.py",
    "tests/unit/policy/test_digest.py",
    "tests/unit/policy/test_exceptions.py",
    "tests/unit/policy/test_fact_ledger.py",
    "tests/unit/policy/test_nearest.py",
    "tests/unit/policy/test_policy_set.py",
    "tests/unit/policy/test_prohibited_in_part.py",
    "tests/unit/policy/test_retention.py",
)
"""What is about the compiled modules and about what they make."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the package with compiled modules; the directory that it is imported from."""
    directory = tmp_path_factory.mktemp("compiled")
    package = directory / native.PACKAGE.name
    ignore = shutil.ignore_patterns("_native", "__pycache__")
    shutil.copytree(native.PACKAGE, package, ignore=ignore)
    script = str(ROOT / "release" / "compile.py")
    subprocess.run([sys.executable, script, str(package)], check=True, capture_output=True)
    yield directory
    shutil.rmtree(directory)


def run(directory: Path, *command: str, **variables: str) -> str:
    """Run Python with the package in a directory; return what it wrote."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(directory)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.timeout(600)
def test_compiled_engine_passes_the_tests_of_the_engine(compiled: Path) -> None:
    """Decisions, reasons, digests and words are those of the interpreted engine."""
    assert run(compiled, "-c", ENGINE, PURPOSEWATCH_ENGINE="") == "compiled"
    run(compiled, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS)


def test_compiled_modules_run_only_if_their_sources_are_the_same(compiled: Path) -> None:
    """A source that changed since is interpreted; so are all if that is what is asked for."""
    assert run(compiled, "-c", ENGINE, PURPOSEWATCH_ENGINE="interpreted") == "interpreted"
    source = compiled / native.PACKAGE.name / "nearest.py"
    before = source.read_text(encoding="utf-8")
    source.write_text(before + "\nCHANGED = True\n", encoding="utf-8")
    try:
        assert run(compiled, "-c", ENGINE).startswith("interpreted: the compiled modules are of")
        script = "from purposewatch_policy.nearest import CHANGED; print(CHANGED)"
        assert run(compiled, "-c", script) == "True"
    finally:
        source.write_text(before, encoding="utf-8")
