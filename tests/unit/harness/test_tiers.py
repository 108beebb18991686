"""The run of all tiers: each in a pytest of its own, none left out."""

from collections import Counter
from pathlib import Path

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


def test_outcomes_are_read_from_the_report_of_pytest(tmp_path: Path) -> None:
    """Errors of fixtures count as failures, and what was skipped is not counted as passed."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>'
    )
    assert tiers._outcomes(report) == Counter(failed=3, skipped=3, passed=3)
