"""Case files are read strictly, and each expectation is checked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from purposewatch_policy.cases.read import CaseFile, check_case, load_cases
from purposewatch_policy.files.directory import load_policies
from purposewatch_policy.yaml_reader.source import InvalidSourceError

SOUND = Path(__file__).parents[1] / "sound"
POLICIES = load_policies(SOUND)


def edited(tmp_path: Path, edit: Callable[[str], str]) -> Path:
    path = shutil.copytree(SOUND / "acme", tmp_path / "acme") / "cases.yaml"
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def load_edited(tmp_path: Path, old: str, new: str) -> CaseFile:
    return load_cases(edited(tmp_path, lambda text: text.replace(old, new, 1)))


def test_sound_cases_are_met() -> None:
    """Cases with right expectations show no difference; defaults are filled in."""
    file = load_cases(SOUND / "acme" / "cases.yaml")
    assert [check_case(case, POLICIES) for case in file.cases] == [()] * 3
    assert {"member"} == {case.flow.role for case in file.cases}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("statement: members.contact", "statement: other", "statement: expected `other`"),
        ("grade: vague", "grade: clear", "grade: expected `clear`, got `vague`"),
        ("kind: prohibited", "kind: undeclared_role", "kind: expected `undeclared_role`"),
        (
            "clause: members.2}",
            "clause: members.2, failed: [role]}",
            "failed: expected `role`, got none",
        ),
        ("clause: members.2}", "clause: members.1}", "clause: expected `members.1`"),
    ],
)
def test_wrong_expectation_is_reported(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A case that is not met says what was expected and what came instead."""
    file = load_edited(tmp_path, old, new)
    differences = [each for case in file.cases for each in check_case(case, POLICIES)]
    assert differences[0].startswith(expected)


def test_case_without_expectation_fails(tmp_path: Path) -> None:
    """A case that expects nothing is never met."""
    expectation = "    expect: {outcome: violation, kind: prohibited, clause: members.2}\n"
    file = load_edited(tmp_path, expectation, "")
    differences = check_case(file.cases[1], POLICIES)
    assert differences == ("the case has no expectation; add `expect`",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("defaults:", "default:", "2: unknown field `default`; did you mean `defaults`?"),
        ("controller: acme", "controller: acne", "1: `controller` is `acne`, but the directory"),
        ("    expect: {outcome: p", "    expects: {outcome: p", "8: unknown field `expects`"),
        ("operation: use,", "operations: use,", "7: `flow.operation`: field required"),
        ("operation: use,", "operation: Use,", "7: `flow.operation`: string should match"),
        ("outcome: permitted", "outcome: fine", "8: `outcome` must be `permitted`, `unknown`"),
        ("outcome: permitted, statement: members.contact,", "outcome: permitted,", "8: `expect` l"),
        ("kind: prohibited", "kind: forbidden", "11: unknown kind `forbidden`; write one of"),
        ("kind: prohibited, clause: members.2", "kind: prohibited", "11: `expect` lacks `clause`"),
        ("at: 2019-12-31T15:59:59Z", "at: yesterday", "13: `at`: `yesterday` is not a timestamp"),
        ("a diagnosis is collected", "an e-mail address is used for support", "9: a case `an e-m"),
    ],
)
def test_fault_is_reported_where_it_is(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A missing, unknown or malformed field is reported with its line."""
    with pytest.raises(InvalidSourceError) as refused:
        load_edited(tmp_path, old, new)
    lines = [str(error).partition("cases.yaml:")[2] for error in refused.value.errors]
    assert [expected] == [line[: len(expected)] for line in lines if line.startswith(expected)]


def test_a_faulty_default_is_reported_once(tmp_path: Path) -> None:
    """The cases that would have used it are not faulty themselves."""
    at = next(
        line
        for line in (SOUND / "acme" / "cases.yaml").read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith("at:")
    )
    with pytest.raises(InvalidSourceError) as refused:
        load_edited(tmp_path, at, "  at: yesterday")
    [error] = refused.value.errors
    assert "`at`: `yesterday` is" in str(error)
