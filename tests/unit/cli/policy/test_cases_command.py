"""`purposewatch policy test`: failing cases, coverage, and what makes it fail."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from purposewatch_cli.policy.test_command import run_cases
from tests.unit.cli.policy.trees import copy_sound, copy_with_ledger

app = typer.Typer()
app.command()(run_cases)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return result.exit_code, result.output


def run_json(*arguments: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run(*arguments, "--format", "json")[1])
    return report


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The case file of the sound tree, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return copy_sound(tmp_path / "policies") / "acme" / "cases.yaml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_cases_that_are_met_pass(cases: Path) -> None:
    """Everything is decided and touched."""
    status, output = run()

    assert status == 0
    assert output == (
        "acme 1: 3 of 3 statements decide a case (100%), "
        "10 of 10 named terms are touched (100%)\n3 cases, 3 passed\n"
    )


def test_a_failing_case_shows_what_differs(cases: Path) -> None:
    """The flow, each expectation against what came instead, and the reason."""
    edit(cases, "statement: members.news, clause: members.2", "statement: members.x, clause: a.1")

    status, output = run()

    assert status == 1
    assert output.splitlines()[:12] == [
        "policies/acme/cases.yaml:9:5: failed: a member who agreed gets the newsletter",
        "      at               2020-06-01T12:00:00+00:00",
        "      role             member",
        "      operation        use",
        "      purpose          marketing",
        "      recipient        first_party",
        "      data_categories  user.contact.email",
        "      facts            consent.marketing: true",
        "    - statement  members.x",
        "    + statement  members.news",
        "    - clause     a.1",
        "    + clause     members.2",
    ]
    assert "`members.news` (members.2) permits it" in output
    assert output.endswith("3 cases, 2 passed, 1 failed\n")


def test_a_failing_case_is_told_to_programs(cases: Path) -> None:
    """With its place, its flow and the differences."""
    edit(cases, "kind: prohibited, clause: members.3", "kind: undeclared_role, clause: members.3")

    report = run_json()

    [failed] = report["controllers"][0]["failed"]
    assert (report["cases"], report["failed"]) == (3, 1)
    assert (failed["name"], failed["line"]) == ("a diagnosis is collected", 16)
    assert failed["flow"]["data_categories"] == ["user.health"]
    assert failed["differences"] == [
        {"name": "kind", "expected": "undeclared_role", "actual": "prohibited"}
    ]


def test_a_case_without_an_expectation_fails(cases: Path) -> None:
    """It would show nothing."""
    edit(cases, "    expect: {outcome: violation, kind: prohibited, clause: members.3}\n", "")

    status, output = run()

    assert status == 1
    assert "the case has no expectation; add `expect` (it is decided as `violation`)" in output


def test_what_no_case_touches_is_listed(cases: Path) -> None:
    """Statements that decide nothing, and terms that occur in no case."""
    edit(cases, "facts: {consent.marketing: true}", "facts: {consent.marketing: false}")
    edit(
        cases,
        "expect: {outcome: permitted, statement: members.news, clause: members.2}",
        "expect: {outcome: violation, kind: condition_not_met, clause: members.2}",
    )

    status, output = run()
    [coverage] = run_json()["controllers"][0]["coverage"]

    assert status == 0
    assert "    no case is permitted by `members.news` (members.2)\n" in output
    assert "    no case touches these facts: `consent.marketing`\n" in output
    assert coverage["statements"] == {
        "total": 3,
        "percent": 66.67,
        "undecided": [{"id": "members.news", "clause": "members.2", "effect": "permit"}],
    }
    assert coverage["values"]["untouched"] == {"facts": ["consent.marketing"]}


@pytest.mark.parametrize(("percent", "expected"), [("0", 0), ("66", 0), ("67", 1), ("100", 1)])
def test_too_little_coverage_fails(cases: Path, percent: str, expected: int) -> None:
    """Statements and terms each have to reach the percentage."""
    edit(cases, "facts: {consent.marketing: true}", "facts: {consent.marketing: false}")
    edit(
        cases,
        "expect: {outcome: permitted, statement: members.news, clause: members.2}",
        "expect: {outcome: violation, kind: condition_not_met, clause: members.2}",
    )

    status, output = run("--min-coverage", percent)

    assert expected == status
    assert bool(expected) == (f"1 version is covered by less than {percent}%" in output)


def test_a_policy_without_cases_is_told_and_covers_nothing(cases: Path) -> None:
    """It fails only where coverage is asked for."""
    cases.unlink()

    status, output = run()

    assert status == 0
    assert "policies/acme/cases.yaml: there is no such file" in output
    assert "0 of 3 statements decide a case (0%)" in output
    assert run("--min-coverage", "1")[0] == 1


def test_only_the_cases_of_its_own_time_cover_a_version(cases: Path) -> None:
    """A new version is not covered by what was tested under the old one."""
    policy = cases.with_name("policy.1.yaml")
    old = policy.read_text(encoding="utf-8")
    new = old.replace('version: "1"', 'version: "2"').replace("2020-01-01", "2021-01-01")
    cases.with_name("policy.2.yaml").write_text(new, encoding="utf-8")
    edit(policy, "sections:", "in_force_until: 2021-01-01T00:00:00Z\nsections:")

    coverage = run_json()["controllers"][0]["coverage"]

    assert [(each["version"], each["statements"]["percent"]) for each in coverage] == [
        ("1", 100),
        ("2", 0),
    ]


def test_faults_keep_cases_from_being_run(cases: Path) -> None:
    """Faults of policies and of case files are shown together, with a status of their own."""
    edit(cases, "clause: members.3}", "claus: members.3}")

    status, output = run()

    assert status == 2
    assert "policies/acme/cases.yaml:18: unknown field `claus`; did you mean `clause`?" in output


def test_one_controller_is_tested_alone(cases: Path) -> None:
    """A neighbour's faults are its own matter."""
    other = cases.parent.with_name("other")
    other.mkdir()
    (other / "policy.1.yaml").write_text("nonsense", encoding="utf-8")

    assert run("--policies", "policies/acme")[0] == 0
    assert run()[0] == 2


def test_the_declared_policies_pass_and_decide_every_statement(pytestconfig: pytest.Config) -> None:
    """Each statement of the policies at hand has a case."""
    report = run_json("--policies", str(pytestconfig.rootpath / "policies"))

    assert report["failed"] == 0
    assert [
        each["statements"]["percent"]
        for controller in report["controllers"]
        for each in controller["coverage"]
    ] == [100, 100]


def test_case_may_say_what_the_ledger_states(cases: Path) -> None:
    """With a ledger, claims do not count; the output says how many cases have one."""
    copy_with_ledger(cases.parents[1])
    text = cases.read_text(encoding="utf-8")
    case = """
  - name: {name}
    flow:
      operation: use
      purpose: marketing
      data_categories: [user.contact.email]
      facts: {{consent.marketing: {claim}}}
    ledger: {{{ledger}}}
    expect: {{outcome: {expect}, clause: members.2}}
"""
    contradicted = "violation, kind: contradicted_claim, failed: [facts]"
    for name, claim, ledger, expect in (
        ("stated", "false", "consent.marketing: true", "permitted, statement: members.news"),
        ("withdrawn", "true", "consent.marketing: false", contradicted),
        ("never stated", "true", "consent.marketing: not stated", contradicted),
        ("an empty ledger", "true", "", contradicted),
        ("neither", "false", "", "violation, kind: condition_not_met"),
        ("wrong", "true", "consent.marketing: not stated", "permitted, statement: x"),
    ):
        text += case.format(name=name, claim=claim, ledger=ledger, expect=expect)
    cases.write_text(text, encoding="utf-8")

    status, output = run()

    assert status == 1
    assert "failed: wrong" in output
    assert "ledger           consent.marketing: not stated" in output
    assert output.splitlines()[-1] == (
        "9 cases, 8 passed, 1 failed; 6 with a ledger of facts, else those of the flow"
    )
    assert run_json()["controllers"][0]["failed"][0]["ledger"] == {"consent.marketing": None}


@pytest.mark.parametrize(
    ("ledger", "message"),
    [
        ("consent.marketing: maybe", "must be `true`, `false` or `not stated`"),
        ("consent.marketing: null", "must be `true`, `false` or `not stated`"),
        ("consent: true", "`ledger` has `consent`, which is not a fact with `authority: ledger`"),
    ],
)
def test_ledger_that_says_nothing_is_a_fault(cases: Path, ledger: str, message: str) -> None:
    """A misspelt fact would never be missed."""
    copy_with_ledger(cases.parents[1])
    edit(cases, "facts: {consent.marketing: true}\n", f"\n    ledger: {{{ledger}}}\n")

    status, output = run()

    assert status == 2
    assert message in output
