"""The jars of Apache Kafka, resolved once with Maven and kept in `build/` between runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_POM = Path(__file__).with_name("kafka-pom.xml")
_BUILD = Path(__file__).parents[2] / "build"
_MAVEN_TIMEOUT = 600.0
_OLDEST_JAVA = 17


def missing_prerequisite() -> str | None:
    """Say what keeps Apache Kafka from running here, or nothing."""
    java = java_executable()
    if java is None:
        return f"Java isn't installed; Apache Kafka needs Java {_OLDEST_JAVA} or newer"
    version = _java_version(java)
    if version < _OLDEST_JAVA:
        return f"Java is version {version}; Apache Kafka needs {_OLDEST_JAVA} or newer"
    if not _is_resolved(_directory()) and shutil.which("mvn") is None:
        return "Maven isn't installed; it is needed to resolve the jars of Apache Kafka"
    return None


def java_executable() -> str | None:
    """Return the path of `java`: that of `JAVA_HOME`, else the first on the `PATH`."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin" if home else None)


def resolve() -> Path:
    """Return the directory that holds the jars, after resolving them if need be.

    They are resolved into a directory of their own that is then renamed, so that an interrupted
    run leaves nothing half done and two runs at once don't disturb each other.
    """
    directory = _directory()
    if _is_resolved(directory):
        return directory
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, prefix="kafka-") as temporary:
        fresh = Path(temporary) / "jars"
        subprocess.run(
            [
                "mvn",
                "-B",
                "-q",
                "-f",
                str(_POM),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={fresh}",
            ],
            check=True,
            timeout=_MAVEN_TIMEOUT,
        )
        shutil.copyfile(_POM, fresh / _POM.name)
        if not _is_resolved(directory):
            shutil.rmtree(directory, ignore_errors=True)
            try:
                fresh.rename(directory)
            except OSError:
                if not _is_resolved(directory):
                    raise
    return directory


def _directory() -> Path:
    found = re.search(r"<kafka\.version>([^<]+)<", _POM.read_text(encoding="utf-8"))
    assert found is not None, f"{_POM} states no kafka.version"
    return _BUILD / f"kafka-{found[1]}"


def _is_resolved(directory: Path) -> bool:
    """Tell whether the jars are those of today's pom: a copy of it lies beside them."""
    copy = directory / _POM.name
    return copy.is_file() and copy.read_bytes() == _POM.read_bytes()


def _java_version(java: str) -> int:
    """Return the feature version, such as 17; 0 when it can't be made out."""
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0
