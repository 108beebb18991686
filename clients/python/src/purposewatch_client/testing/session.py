"""Decides the events of each test of a session, and fails the test that caused a violation."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from purposewatch_client.gap_counter import gap_counts
from purposewatch_client.testing.capture import Captured, capture
from purposewatch_client.testing.flow import ExercisedFlow
from purposewatch_client.testing.judge import Judge, Judged
from purposewatch_client.testing.report import SuiteReport
from purposewatch_policy import InvalidSourceError, Kind

_FLOWS = "purposewatch_flows"
_GAPS = "purposewatch_gaps"
_ALLOWED = (*Kind, "unknown")


class Session:
    """The hooks that are active with `--purposewatch-policy`."""

    def __init__(self, config: pytest.Config, directory: Path, facts: Path | None) -> None:
        """Load the policies and statements of facts. Raises `UsageError` if they have faults."""
        self._config = config
        self._strict = bool(config.getoption("--purposewatch-strict"))
        self._report = SuiteReport()
        try:
            option = "--purposewatch-policy"
            self._judge = Judge(directory)
            if facts is not None:
                option = "--purposewatch-facts"
                self._judge.load_facts(facts)
        except InvalidSourceError as error:
            message = f"{option}: {error}"
            raise pytest.UsageError(message) from None
        self.captured = Captured()
        """The events of the test that runs."""
        self._decided = 0
        self._before: dict[tuple[str, str, str], int] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """Capture from before the test's fixtures are set up until they are torn down."""
        self._decided = 0
        self._before = gap_counts()
        with capture(self._config.rootpath) as self.captured:
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Decide the events of the test and of its set-up."""
        return (yield from self._decide(item, "call"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Decide the events of the tear-down."""
        return (yield from self._decide(item, "teardown"))

    def _decide(self, item: pytest.Item, phase: str) -> Generator[None, Any, Any]:
        try:
            result = yield
        except BaseException:
            found = self._failures(item, phase)
            if found:
                item.add_report_section(phase, "purposewatch", _text(found))
            raise
        found = self._failures(item, phase)
        if found:
            pytest.fail(_text(found), pytrace=False)
        return result

    def _failures(self, item: pytest.Item, phase: str) -> list[Judged]:
        """Return the flows since the last call that are not permitted and not allowed."""
        recorded = self.captured.recorded[self._decided :]
        self._decided += len(recorded)
        if phase == "teardown" and not recorded:
            return []  # a faulty marker has failed the test already
        allowances = _allowances(item)
        judged = self._judge.judge(recorded)
        flows = item.stash.setdefault(_flows, [])
        for each in judged:
            allowed = None if each.is_permitted else allowances.get(each.allowance)
            flow = ExercisedFlow(
                flow=each.flow,
                outcome=each.outcome,
                kind=each.kind,
                allowed=allowed,
                events=each.events,
            )
            flows.append(flow)
        return [
            each
            for each in judged
            if not each.is_permitted and (self._strict or each.allowance not in allowances)
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the test's flows into its last report, which xdist carries to the controller."""
        report = yield
        if report.when == "teardown":
            setattr(report, _FLOWS, item.stash.get(_flows, []))
            setattr(report, _GAPS, self._gaps())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the flows of all tests."""
        self._report.add(report.nodeid, getattr(report, _FLOWS, []))
        self._report.add_gaps(report.nodeid, getattr(report, _GAPS, []))

    def _gaps(self) -> list[tuple[str, str, str, int]]:
        """Return the gaps since the test began."""
        return [
            (*key, number - self._before.get(key, 0))
            for key, number in gap_counts().items()
            if number > self._before.get(key, 0)
        ]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the flows that the suite exercised."""
        lines = self._report.lines()
        if lines:
            terminalreporter.section("flows of personal data")
            for line in (*lines, self._judge.facts):
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        """Write the report, once: in the controller if there are workers."""
        target = self._config.getoption("--purposewatch-report")
        if target and not hasattr(self._config, "workerinput"):
            self._report.write(Path(target))


_flows: pytest.StashKey[list[ExercisedFlow]] = pytest.StashKey()


def _allowances(item: pytest.Item) -> dict[str, str]:
    """Return what a test may cause, with the reason; fails the test if a marker is not right."""
    allowances: dict[str, str] = {}
    for marker in item.iter_markers("purposewatch_allow"):
        reason = marker.kwargs.get("reason")
        if not reason or not marker.args or set(marker.kwargs) != {"reason"}:
            pytest.fail(
                "purposewatch_allow takes kinds of violations and a reason: "
                '`@pytest.mark.purposewatch_allow("undeclared_purpose", reason="…")`',
                pytrace=False,
            )
        for kind in marker.args:
            if kind not in _ALLOWED:
                pytest.fail(
                    f"purposewatch_allow names `{kind}`, which is none of {', '.join(_ALLOWED)}",
                    pytrace=False,
                )
            allowances[kind] = reason
    return allowances


def _text(found: list[Judged]) -> str:
    number = f"{len(found)} flow{'' if len(found) == 1 else 's'}"
    return "\n\n".join([f"the declared policy does not permit {number}", *map(Judged.text, found)])
