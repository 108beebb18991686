"""`purposewatch policy lint`: formats, thresholds, and one controller among others."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from tests.unit.cli.policy.trees import HERE, copy_faulty, copy_sound

FAULTY = HERE / "faulty"


def lint(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", "lint", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "policies"


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("contradiction_total", {"error": 1, "warning": 1, "note": 1}),
        ("public_disclosure", {"error": 0, "warning": 1, "note": 1}),
        ("unused_fact", {"error": 0, "warning": 0, "note": 1}),
        ("accepted_finding", {"error": 0, "warning": 0, "note": 0}),
    ],
)
def test_the_exit_status_depends_on_the_threshold(
    tree: Path, fault: str, statuses: dict[str, int]
) -> None:
    """A finding fails when it is as grave as asked for; an accepted one never does."""
    copy_faulty(FAULTY / fault, tree)

    assert statuses == {each: lint("--fail-on", each)[0] for each in statuses}


def test_an_error_fails_unless_told_otherwise(tree: Path) -> None:
    """The default suits a check before every commit."""
    copy_faulty(FAULTY / "contradiction_partial", tree)
    assert lint()[0] == 1
    copy_faulty(FAULTY / "duplicate_statement", tree)
    assert lint()[0] == 0


def test_json_says_everything_that_the_text_says(tree: Path) -> None:
    """One object with findings, policies and counts."""
    copy_faulty(FAULTY / "contradiction_partial", tree)

    status, output = lint("--format", "json")

    report = json.loads(output)
    [finding] = report["findings"]
    assert (status, report["counts"]) == (1, {"error": 1, "warning": 0, "note": 0, "accepted": 0})
    assert report["policies"] == [{"controller": "acme", "version": "1", "statements": 4}]
    assert tuple(finding[name] for name in ("rule", "severity", "path", "line", "column")) == (
        "contradiction",
        "error",
        "policies/acme/policy.1.yaml",
        30,
        5,
    )
    assert finding["statements"] == ["members.phone", "members.contact"]
    assert finding["related"][0]["line"] == 10
    assert finding["evidence"]["flows"]["consent.marketing"] == ["false"]
    assert finding["evidence"]["example"] == {
        "controller": "acme",
        "role": "member",
        "operation": "use",
        "purpose": "service.support",
        "recipient": "first_party",
        "data_categories": ["user.contact.phone"],
    }


def test_json_tells_why_a_finding_is_accepted(tree: Path) -> None:
    """The reason stands in the policy."""
    copy_faulty(FAULTY / "accepted_finding", tree)

    report = json.loads(lint("--format", "json")[1])

    assert report["counts"]["accepted"] == 1
    assert "public directory" in report["findings"][0]["accepted"]
    assert report["findings"][0]["high_risk"]


def test_a_faulty_neighbour_keeps_nobody_from_being_checked(tree: Path) -> None:
    """The faults of one controller and the findings about another are shown together."""
    copy_faulty(FAULTY / "public_disclosure", tree)
    shutil.copytree(tree / "acme", tree / "other")

    status, output = lint("--format", "json")

    rules = {(each["path"].split("/")[1], each["rule"]) for each in json.loads(output)["findings"]}
    assert status == 1
    assert rules == {("other", "load-error"), ("acme", "public-disclosure")}


def test_one_controller_is_checked_alone(tree: Path) -> None:
    """Neither faults nor findings of its neighbours are shown."""
    copy_sound(tree)
    shutil.copytree(tree / "acme", tree / "other")

    assert lint("--policies", "policies/acme") == (0, "acme 1: 3 statements\nno findings\n")


def test_a_faulty_common_vocabulary_is_all_that_is_told(tree: Path) -> None:
    """Policies in its words can't be judged."""
    copy_sound(tree)
    path = tree / "vocabulary" / "common.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "colours:\n", encoding="utf-8")

    status, output = lint("--format", "json")

    report = json.loads(output)
    assert (status, report["policies"]) == (1, [])
    assert [each["path"] for each in report["findings"]] == ["policies/vocabulary/common.yaml"]


def test_the_declared_policies_have_no_errors_and_high_risks(pytestconfig: pytest.Config) -> None:
    """They do not contradict themselves; what the lender discloses is told as high risk."""
    status, output = lint("--policies", str(pytestconfig.rootpath / "policies"), "--format", "json")

    findings = json.loads(output)["findings"]
    risky = {(each["controller"], each["rule"]) for each in findings if each["high_risk"]}
    public = {each["statements"][0] for each in findings if each["rule"] == "public-disclosure"}
    assert status == 0
    assert risky == {
        ("linggan-house", "public-disclosure"),
        ("linggan-house", "other-peoples-data"),
    }
    assert public >= {"sharing.overdue.public", "sharing.overdue.contacts"}
