"""Runs targets: a fixed number of inputs, or for a time, guided by coverage where that is there.

What fails is made smaller, and written to `build/fuzz/<target>`.
"""

import itertools
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.fuzz.target import Run, Target, watched

FOUND = Path(__file__).parents[2] / "build" / "fuzz"
_SHRINKING_SECONDS = 10.0
_PATIENCE_SECONDS = 600
"""For the start: the seeds run before the time counts, slowly, because all code is traced."""


@dataclass(frozen=True)
class Result:
    """What came of one target."""

    target: str
    inputs: int
    seconds: float
    failures: tuple[tuple[Path, str], ...] = ()
    """Files with inputs, and what each did."""

    def line(self) -> str:
        """For people."""
        failed = "".join(f"\n    {path}: {reason}" for path, reason in self.failures)
        return f"{self.target:26} {self.inputs:9,} inputs {self.seconds:6.0f} s{failed}"


def run_for(target: Target, seconds: float, *, seed: str) -> Result:
    """Run the cases, the seeds, and changes of both until the time is over."""
    started, number = time.monotonic(), 0
    failures: dict[str, tuple[Path, str]] = {}
    with watched(target) as check:
        for data in itertools.chain(target.corpus(), target.inputs(seed)):
            number += 1
            error = _failure(check, data)
            if error is not None and _place(error) not in failures:
                reason = f"{type(error).__name__}: {str(error)[:300]}"
                failures[_place(error)] = (_keep(target, _smaller(check, data, error)), reason)
            if time.monotonic() - started > seconds:
                break
    return Result(target.name, number, time.monotonic() - started, tuple(failures.values()))


def run_guided(target: Target, seconds: float, *, seed: str) -> Result:
    """The same with atheris, in a process of its own; it stops at the first failure."""
    folder = FOUND / target.name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in target.corpus():
        (corpus / sha256(data).hexdigest()[:16]).write_bytes(data)
    started = time.monotonic()
    number = Random(seed).randrange(1, 2**31)  # noqa: S311 - to be repeated
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.guided", target.name, str(corpus)),
                *(f"-max_total_time={int(seconds)}", f"-seed={number}", "-print_final_stats=1"),
                *(
                    f"-max_len={target.max_bytes}",
                    f"-artifact_prefix={folder}/",
                    "-rss_limit_mb=1500",
                ),
                *("-timeout=30", "-verbosity=1", f"-dict={_dictionary(folder, target)}"),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds * 2 + _PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        late = (folder, "did not end in time; is the machine busy?")
        return Result(target.name, 0, time.monotonic() - started, (late,))
    stats = dict(
        line.removeprefix("stat::").split(":", 1)
        for line in done.stderr.splitlines()
        if line.startswith("stat::")
    )
    failures: tuple[tuple[Path, str], ...] = ()
    if done.returncode:
        written = [line for line in done.stderr.splitlines() if "Test unit written" in line]
        path = Path(written[-1].rpartition(" ")[2]) if written else folder
        (folder / "last.log").write_text(done.stderr)
        failures = ((path, f"see {folder / 'last.log'}"),)
    inputs = int(stats.get("number_of_executed_units", "0"))
    return Result(target.name, inputs, time.monotonic() - started, failures)


def _dictionary(folder: Path, target: Target) -> Path:
    path = folder / "words.dict"
    words = {word for word in target.words if word}
    path.write_text(
        "".join(
            '"' + "".join(f"\\x{byte:02x}" for byte in word[:60]) + '"\n' for word in sorted(words)
        )
    )
    return path


def _failure(check: Run, data: bytes) -> Exception | None:
    try:
        check(data)
    except Exception as error:  # noqa: BLE001 - whatever is raised is a finding
        return error
    return None


def _place(error: Exception) -> str:
    """What and where: equal for inputs that fail for the same reason."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {frame.filename}:{frame.lineno}"


def _smaller(check: Run, data: bytes, error: Exception) -> bytes:
    """Leave out what is not needed to fail in the same place, within a bound of time."""
    place, until = _place(error), time.monotonic() + _SHRINKING_SECONDS
    size = max(1, len(data) // 2)
    while size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            again = _failure(check, shorter)
            if again is not None and _place(again) == place:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _keep(target: Target, data: bytes) -> Path:
    path = FOUND / target.name / f"found-{sha256(data).hexdigest()[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
