"""A wheel depends on its sources alone: whoever builds it again gets the same bytes."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from release.cut import ROOT, distributions

_BUILD = """
import os, sys
from hatchling.build import build_wheel
for source in sys.argv[2:]:
    os.chdir(source)
    build_wheel(sys.argv[1])
"""


def built(sources: Path, wheels: Path, **environment: str) -> dict[str, str]:
    """The digest of each wheel that these sources give."""
    wheels.mkdir()
    directories = [str(path.parent) for path in sorted(sources.rglob("pyproject.toml"))]
    subprocess.run(
        [sys.executable, "-c", _BUILD, str(wheels), *directories],
        check=True,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in wheels.iterdir()}


def copied(target: Path, *, later: bool) -> Path:
    """The sources at another path; `later` with other times, modes and order of files."""
    for pyproject in distributions():
        source = pyproject.parent
        shutil.copytree(
            source,
            target / source.relative_to(ROOT),
            ignore=shutil.ignore_patterns("__pycache__", "_native", "*.egg-info"),
        )
    shutil.copy(ROOT / ".gitignore", target)
    if later:
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_file():
                content = path.read_bytes()
                path.unlink()
                path.write_bytes(content)
                path.chmod(0o600)
            os.utime(path, (1_900_000_000, 1_900_000_000))
    return target


def test_wheels_are_the_same_wherever_and_whenever_they_are_built(tmp_path: Path) -> None:
    """Times, modes, the path, the zone and the hash seed make no difference."""
    first = built(
        copied(tmp_path / "a", later=False), tmp_path / "wheels-a", PYTHONHASHSEED="1", TZ="UTC"
    )
    again = built(
        copied(tmp_path / "a-longer-path", later=True),
        tmp_path / "wheels-b",
        PYTHONHASHSEED="2",
        TZ="Asia/Shanghai",
    )
    assert len(first) == len(distributions())
    assert first == again
