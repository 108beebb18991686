"""Findings as SARIF 2.1.0: what the standard requires, and what code hosts rely on."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from purposewatch_policy.lint import RULES
from tests.unit.cli.policy.trees import FAULTS, HERE, copy_faulty

LEVELS = {"error", "warning", "note"}


def sarif(fault: Path, tree: Path) -> dict[str, Any]:
    copy_faulty(fault, tree)
    result = CliRunner().invoke(app, ["policy", "lint", "--format", "sarif"])
    log: dict[str, Any] = json.loads(result.output)
    return log


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "policies"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.name)
def test_the_log_has_the_standards_shape(fault: Path, tree: Path) -> None:
    """Required properties are there, levels and rules are known, places are relative."""
    log = sarif(fault, tree)
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]

    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    assert run["tool"]["driver"]["name"] == "purposewatch policy lint"
    assert run["tool"]["driver"]["semanticVersion"] == version("purposewatch")
    assert [rule["id"] for rule in rules] == list(RULES)
    assert {rule["defaultConfiguration"]["level"] for rule in rules} <= LEVELS
    assert run["results"]
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in LEVELS
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            assert place["physicalLocation"]["artifactLocation"]["uri"].startswith("policies/acme/")
            assert place["physicalLocation"]["region"]["startLine"] >= 1
            assert place["physicalLocation"]["region"]["startColumn"] >= 1


def test_an_accepted_finding_is_suppressed(tree: Path) -> None:
    """The reason is its justification."""
    [result] = sarif(HERE / "faulty" / "accepted_finding", tree)["runs"][0]["results"]

    [suppression] = result["suppressions"]
    assert suppression["kind"] == "inSource"
    assert "public directory" in suppression["justification"]


def test_a_fingerprint_survives_a_moved_line(tree: Path) -> None:
    """A code host recognises the finding after an edit above it."""
    fault = HERE / "faulty" / "contradiction_total"
    [before] = sarif(fault, tree)["runs"][0]["results"]
    path = tree / "acme" / "policy.1.yaml"
    path.write_text("# moved\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    output = CliRunner().invoke(app, ["policy", "lint", "--format", "sarif"]).output
    [after] = json.loads(output)["runs"][0]["results"]

    assert before["locations"] != after["locations"]
    assert before["partialFingerprints"] == after["partialFingerprints"]


def test_a_path_becomes_a_uri(tmp_path: Path) -> None:
    """An absolute one is a file URI; spaces are escaped; without a line there is no region."""
    path = tmp_path / "no such place"
    output = (
        CliRunner()
        .invoke(app, ["policy", "lint", "--policies", str(path), "--format", "sarif"])
        .output
    )
    [result] = json.loads(output)["runs"][0]["results"]
    [location] = result["locations"]

    assert location["physicalLocation"] == {"artifactLocation": {"uri": path.as_uri()}}
    assert "no%20such%20place" in path.as_uri()
