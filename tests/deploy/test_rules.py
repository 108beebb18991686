"""The recording and alerting rules: valid, tested both ways, each with a page that says what to do.

The unit tests themselves stand beside the rules, in deploy/prometheus/tests, for promtool.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.queries import known_labels, known_metrics, labels_in, metrics_in
from tests.deploy.rules import ALERTS, RECORDED, TESTS, unit_tests
from tests.deploy.tools import ROOT, RULES, run

RUNBOOKS = ROOT / "docs" / "runbooks"
SOURCES = [
    path.read_text(encoding="utf-8")
    for directory in ("shared", "services")
    for path in (ROOT / directory).rglob("*.py")
]
HEADINGS = ["What it means", "How to check", "What to do", "How to know it is over"]


def test_prometheus_takes_the_configuration() -> None:
    """`promtool` finds no fault in the configuration and the rules that it names."""
    assert "SUCCESS" in run("promtool", "check", "config", "deploy/prometheus/prometheus.yml")


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    """Each alert fires when it should, with the words that on-call reads, and not otherwise."""
    run("promtool", "test", "rules", str(path))


def test_every_file_of_rules_has_its_tests() -> None:
    """A file of rules and the file of its tests have the same name."""
    assert {path.name for path in RULES.glob("*.yaml")} == {p.name for p in TESTS.glob("*.yaml")}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_is_tested_both_ways(alert: str) -> None:
    """There is a case in which it fires and one in which it does not."""
    expected = [
        bool(case["exp_alerts"])
        for test in unit_tests()
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]
    assert set(expected) == {True, False}


@pytest.mark.parametrize("name", RECORDED)
def test_recording_rule_is_tested(name: str) -> None:
    """Some case asks for what it records."""
    asked = [case["expr"] for test in unit_tests() for case in test.get("promql_expr_test", [])]
    assert any(re.search(rf"\b{name}\b", query) for query in asked)


@pytest.mark.parametrize(("name", "rule"), ALERTS.items(), ids=ALERTS)
def test_alert_says_what_a_person_needs(name: str, rule: dict[str, Any]) -> None:
    """Severity, audience, a summary that is the same for all of its kind, a link to its runbook."""
    assert rule["labels"].keys() == {"severity", "audience"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in annotations["summary"]
    assert annotations["description"].endswith(".")
    assert annotations["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{name}.md"


def test_every_alert_has_its_runbook_and_the_reverse() -> None:
    """A page for an alert that there is not would send somebody the wrong way."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_runbook_answers_the_four_questions(name: str) -> None:
    """In the same order on every page, with a command to check with."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    checks = text.partition("## How to check")[2].partition("## What to do")[0]
    assert "```" in checks


@pytest.mark.parametrize(
    "query",
    [pytest.param(r["expr"], id=n) for n, r in (ALERTS | RECORDED).items()],
)
def test_rules_ask_for_what_there_is(query: str) -> None:
    """Every metric is declared or recorded, and every label is one of those metrics'."""
    assert metrics_in(query) - known_metrics() == set()
    assert labels_in(query) - known_labels() == set()


@pytest.mark.parametrize("name", ALERTS)
def test_runbook_asks_for_what_there_is(name: str) -> None:
    """A runbook's queries name metrics that there are."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bpurposewatch_[a-z_]+", text)) - known_metrics() <= {
        "purposewatch_bus",
        "purposewatch_ingest",
        "purposewatch_reporter",
    }


@pytest.mark.parametrize("name", ALERTS)
def test_runbook_searches_for_lines_that_are_logged(name: str) -> None:
    """What it greps for stands in the services' sources."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    for phrase in re.findall(r"grep (?:-E )?'([a-z' ]+)'", text):
        assert any(phrase in source for source in SOURCES), phrase
