"""Runs the cases beside each policy, and checks that they cover every statement."""

from pathlib import Path

import pytest

from purposewatch_policy import Kind, Outcome, load_policies
from purposewatch_policy.cases import Case, CaseFile, check_case, load_cases

POLICIES_DIR = Path(__file__).parents[2] / "policies"
POLICIES = load_policies(POLICIES_DIR)
FILES = {
    controller: load_cases(POLICIES_DIR / controller / "cases.yaml")
    for controller in POLICIES.controllers
}
LEAST_CASES = {"wework-labs": 60, "linggan-house": 40}

each_case = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{controller}: {case.name}")
        for controller, file in FILES.items()
        for case in file.cases
    ],
)
each_file = pytest.mark.parametrize("file", FILES.values(), ids=FILES.keys())


@each_case
def test_case_is_decided_as_expected(case: Case) -> None:
    """The decision meets the expectation of the case."""
    differences = check_case(case, POLICIES)
    assert not differences, f"{case.location}: {differences}"


@each_file
def test_every_statement_decides_a_case(file: CaseFile) -> None:
    """Each statement decides at least one case by the effect that it declares."""
    decided = set()
    for case in file.cases:
        decision = case.decide(POLICIES)
        decided |= {
            (decision.policy_version, each.statement)
            for each in decision.categories
            if each.outcome is Outcome.PERMITTED or each.kind is Kind.PROHIBITED
        }
    declared = {
        (version.policy.version, statement.id)
        for version in POLICIES.versions(file.controller)
        for statement in version.statements
    }
    undecided = declared - decided
    assert not undecided


@each_file
def test_half_of_the_cases_are_not_permitted(file: CaseFile) -> None:
    """At least half of the cases show what the policy does not allow, or cannot judge."""
    permitted = [
        case for case in file.cases if case.expect and case.expect.outcome is Outcome.PERMITTED
    ]
    assert 2 * len(permitted) <= len(file.cases)


@pytest.mark.parametrize(("controller", "least"), LEAST_CASES.items())
def test_there_are_enough_cases(controller: str, least: int) -> None:
    """Each shipped policy keeps at least the number of cases that it was accepted with."""
    assert len(FILES[controller].cases) >= least
