"""The run of all tiers: each in a pytest of its own, none left out."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import __main__ as tiers


def test_every_tier_runs_and_a_failure_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tier that fails holds up none of the others; the closing lines name it and the load."""
    asked: list[tuple[str, list[str]]] = []

    def run(tier: str, options: list[str]) -> tuple[int, Counter[str]]:
        asked.append((tier, options))
        failed = int(tier == "unit")
        return failed, Counter(passed=7, failed=failed)

    processors = iter([(0, 0), (0, 0), (75, 100), (75, 100), (85, 200), (85, 200)])
    monkeypatch.setattr(tiers, "_run", run)
    monkeypatch.setattr(tiers, "_processors", lambda: next(processors, (0, 0)))

    assert tiers.main(["unit", "cases", "--", "-k", "words"]) == 1
    assert asked == [("unit", ["-k", "words"]), ("cases", ["-k", "words"])]
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        "unit 0:00 75% busy 1 failed, 7 passed exit status 1",
        "cases 0:00 10% busy 7 passed",
        "all 0:00 42% busy 1 failed, 14 passed",
    ]
    assert tiers.main(["cases"]) == 0


def test_every_folder_with_tests_is_a_tier() -> None:
    """A new folder of tests does not stay out of the run.

    One is left to `make check-chart`, which first builds Helm and a Kubernetes API server.
    """
    root = Path(tiers.__file__).parent
    folders = {path.relative_to(root).parts[0] for path in root.rglob("test_*.py")}
    assert set(tiers._TIERS) == folders - {"chart"}


@pytest.mark.parametrize(("room", "failed"), [(2**40, 0), (2**40, 1), (2**20, 0)])
def test_what_tests_write_goes_to_memory_that_has_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: int, failed: int
) -> None:
    """What they leave is removed, unless one failed; without room it goes where it always goes."""
    used: list[Path] = []

    def run(_: list[str], *, env: dict[str, str], **__: Any) -> Any:
        used.append(Path(env["TMPDIR"]))
        (used[0] / "log").touch()
        return SimpleNamespace(returncode=failed)

    monkeypatch.setenv("TMPDIR", str(tmp_path / "disk"))
    (tmp_path / "disk").mkdir()
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(tiers, "_MEMORY", memory)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=room))
    monkeypatch.setattr("subprocess.run", run)

    assert tiers._run("unit", []) == (failed, Counter())
    assert used[0].parent == (memory if room > tiers._ROOM else tmp_path)
    assert [each.name for each in memory.rglob("log")] == ["log"] * failed


def test_outcomes_are_read_from_the_report_of_pytest(tmp_path: Path) -> None:
    """Errors of fixtures count as failures, and what was skipped is not counted as passed."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>'
    )
    assert tiers._outcomes(report) == Counter(failed=3, skipped=3, passed=3)
