"""Alertmanager's configuration: valid, and every alert reaches the people that it is for."""

import re

import pytest
import yaml

from purposewatch_reporter.alerts.alert import FINDING_NAME, NOTICE_NAME
from tests.deploy.rules import ALERTS
from tests.deploy.tools import ALERTMANAGER_CONFIGURATION as CONFIG
from tests.deploy.tools import ROOT, run

ALERTS_PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def receiver(**labels: str) -> str:
    """Who gets an alert with these labels."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *pairs).strip()


def test_alertmanager_takes_the_configuration() -> None:
    """`amtool` finds no fault in it."""
    assert "SUCCESS" in run("amtool", "check-config", str(CONFIG))


@pytest.mark.parametrize(("severity", "to"), [("critical", "oncall-page"), ("warning", "oncall")])
def test_on_call_is_told(severity: str, to: str) -> None:
    """Only what cannot wait wakes somebody."""
    for name, rule in ALERTS.items():
        if rule["labels"]["severity"] == severity and rule["labels"]["audience"] == "oncall":
            assert receiver(alertname=name, **rule["labels"]) == to


def test_what_compliance_must_settle_reaches_its_team() -> None:
    """What nobody judges is theirs to have mapped; whoever claims too much is theirs to ask."""
    for_compliance = {
        n: r["labels"] for n, r in ALERTS.items() if r["labels"]["audience"] != "oncall"
    }
    assert for_compliance.keys() == {
        "PurposewatchContradictedClaimsRising",
        "PurposewatchNewGap",
    }
    for name, labels in for_compliance.items():
        assert receiver(alertname=name, **labels) == "compliance"


@pytest.mark.parametrize("severity", ["low", "medium", "high", "critical"])
def test_violations_reach_the_compliance_team(severity: str) -> None:
    """Whatever their severity: none of them is on-call's to judge."""
    labels = {"alertname": FINDING_NAME, "audience": "compliance", "severity": severity}
    assert receiver(**labels) == "compliance"


def test_notices_reach_on_call() -> None:
    """A notice of the reporter about the ledger pages on-call."""
    labels = {"alertname": NOTICE_NAME, "audience": "oncall", "severity": "critical"}
    assert receiver(**labels) == "oncall-page"


def test_a_strange_alert_reaches_somebody() -> None:
    """An alert that no route knows goes to on-call."""
    assert receiver(alertname="SomethingElse") == "oncall"


def test_what_comes_and_goes_is_told() -> None:
    """The compliance route looks again before the reporter sends an end."""
    route = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["route"]["routes"][0]
    [hold] = re.findall(r"^\| `hold_seconds` \| (\d+) ", ALERTS_PAGE, re.MULTILINE)

    assert route["receiver"] == "compliance"
    for each in (route, *route["routes"]):
        number, unit = re.fullmatch(r"(\d+)([sm])", each["group_interval"]).groups()  # type: ignore[union-attr]
        assert int(number) * {"s": 1, "m": 60}[unit] < int(hold)
