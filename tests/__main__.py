"""Runs tiers of tests, each in a pytest of its own, and sums up: `python -m tests [TIER ...]`.

The sum says how long each tier took and how busy the machine's processors were: a tier that leaves
them idle waits for something. Whatever a tier starts (services, brokers, databases) ends with its
pytest. Every tier runs even if one before it failed; the exit status is 1 if any failed. Options
after `--` go to each pytest.

What tests write goes to memory where there is room for it: none of it has to survive the machine,
and tests sync files tens of thousands of times, each of which takes milliseconds on a disk.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

_TESTS = Path(__file__).parent
# worksteal hands a worker the tests of few files, and rebalances when one has run out
_TWO_PROCESSES = ("--numprocesses=2", "--dist=worksteal")
# one more than for CI's two processors alone: these tests wait for sessions, pauses and brokers
_THREE_PROCESSES = ("--numprocesses=3", "--dist=worksteal")
_TIERS: dict[str, tuple[str, ...]] = {
    "unit": _TWO_PROCESSES,
    "cases": (),
    "fuzz": _TWO_PROCESSES,
    "packaging": _TWO_PROCESSES,
    "integration": _THREE_PROCESSES,
    "deploy": (),
    "e2e": ("--numprocesses=2", "--dist=loadfile"),
    "chaos": _TWO_PROCESSES,
}
"""Options of pytest for each tier, in the order in which they run."""
_NO_TESTS_SELECTED = 5
_STAT = Path("/proc/stat")
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_ROOM = 6 * 1024**3
_ON_DISK = {"packaging"}
"""Tiers that write gigabytes: environments with everything that is installed in them."""


def main(arguments: list[str]) -> int:
    """Run the tiers that are named, or all; return the exit status."""
    separator = arguments.index("--") if "--" in arguments else len(arguments)
    tiers, options = arguments[:separator] or list(_TIERS), arguments[separator + 1 :]
    if unknown := set(tiers) - set(_TIERS):
        sys.exit(f"unknown tiers: {', '.join(sorted(unknown))}; there are {', '.join(_TIERS)}")
    lines: list[str] = []
    total: Counter[str] = Counter()
    failed = False
    begun = time.monotonic()
    at_first = _processors()
    for tier in tiers:
        print(f"\n{tier}", flush=True)
        started, before = time.monotonic(), _processors()
        status, outcomes = _run(tier, options)
        failed |= status not in {0, _NO_TESTS_SELECTED}
        total += outcomes
        lines.append(
            f"{tier:12} {_clock(started)}  {_busy(before)}  {_in_words(outcomes)}"
            + (f"  exit status {status}" if status else "")
        )
    lines.append(f"{'all':12} {_clock(begun)}  {_busy(at_first)}  {_in_words(total)}")
    print(f"\ntime per tier, and how busy {os.cpu_count()} processors were", *lines, sep="\n")
    return int(failed)


def _run(tier: str, options: list[str]) -> tuple[int, Counter[str]]:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", str(_TESTS / tier)),
            *(f"--junit-xml={report}", "--durations=10", "--durations-min=0.5"),
            *_TIERS[tier],
            *options,
        ]
        files = None if tier in _ON_DISK else _files_in_memory()
        environment = os.environ | ({"TMPDIR": str(files)} if files else {})
        status = subprocess.run(command, cwd=_TESTS.parent, env=environment, check=False).returncode
        if files and status in {0, _NO_TESTS_SELECTED}:
            shutil.rmtree(files, ignore_errors=True)
        elif files:
            print(f"what failed tests wrote is kept in {files}")
        return status, _outcomes(report) if report.exists() else Counter()


def _files_in_memory() -> Path | None:
    """Make a directory in memory for temporary files; `None` where there is no room for them."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM:
        return None
    files = Path(tempfile.mkdtemp(prefix="tests-", dir=_MEMORY))
    files.chmod(0o755)  # PostgreSQL runs as another user and has to get through
    return files


def _outcomes(report: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it
        numbers = {name: int(suite.get(name, 0)) for name in ("failures", "errors", "skipped")}
        outcomes["failed"] += numbers["failures"] + numbers["errors"]
        outcomes["skipped"] += numbers["skipped"]
        outcomes["passed"] += int(suite.get("tests", 0)) - sum(numbers.values())
    return outcomes


def _processors() -> tuple[int, int]:
    """How long the machine's processors have worked, and how long they have been there."""
    if not _STAT.exists():
        return 0, 0
    times = [int(each) for each in _STAT.read_text().splitlines()[0].split()[1:9]]
    idle = times[3] + times[4]  # the second: idle while a disk is waited for
    return sum(times) - idle, sum(times)


def _busy(before: tuple[int, int]) -> str:
    worked, there = (now - then for now, then in zip(_processors(), before, strict=True))
    return f"{worked / there:4.0%} busy" if there else " ?   busy"


def _clock(since: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - since), 60)
    return f"{minutes:3}:{seconds:02}"


def _in_words(outcomes: Counter[str]) -> str:
    named = [f"{outcomes[name]} {name}" for name in ("failed", "passed", "skipped")]
    return ", ".join(each for each in named if not each.startswith("0 ")) or "no tests"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
