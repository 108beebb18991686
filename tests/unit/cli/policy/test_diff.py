"""`purposewatch policy diff`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from purposewatch_cli.policy.diff_command import diff

app = typer.Typer()
app.command()(diff)
app.command()(lambda: None)  # with a second command, the first is called by its name


@pytest.fixture
def tree(pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository's policies, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    return Path(shutil.copytree(pytestconfig.rootpath / "policies", tmp_path / "policies"))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["diff", *arguments])
    return result.exit_code, result.output


def draft(tree: Path, *edits: tuple[str, str], name: str = "draft.yaml") -> Path:
    """A changed copy of the policy of `wework-labs`."""
    text = (tree / "wework-labs" / "policy.2018-05-25.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tree.parent / name
    path.write_text(text, encoding="utf-8")
    return path


def test_equal_policies_have_no_difference(tree: Path) -> None:
    """Another title, other notes and statement names are no difference."""
    path = draft(
        tree,
        ("en: How WeWork Labs", "en: The way WeWork Labs"),
        ("id: members.contact.notify", "id: members.contact.tell"),
        ("note: Also to get in touch.", "note: Another note."),
    )

    status, output = run("policies/wework-labs", str(path))

    assert status == 0
    assert output.endswith("no difference: every flow is judged alike\n")


def test_a_dropped_consent_ends_with_status_3(tree: Path) -> None:
    """The flows, the statement and the clause are shown, and that rights shrink."""
    path = draft(tree, ("when: [visit.website, consent.marketing]", "when: [visit.website]"))

    status, output = run("policies/wework-labs", str(path))

    assert status == 3
    assert "! rights shrink  a condition was dropped: `visitors.website.market` (visi" in output
    assert "consent.marketing does not hold, visit.website holds" in output
    assert output.endswith(
        "the data subjects' rights shrink in 1: tell them before it takes effect\n"
    )


def test_a_narrower_policy_ends_with_status_1(tree: Path) -> None:
    """A difference that costs data subjects nothing is a difference all the same."""
    path = draft(tree, ("operations: [collect, store, use]", "operations: [collect, use]"))

    status, output = run(str(path), "policies/wework-labs")
    assert status == 3

    status, output = run("policies/wework-labs", str(path))
    assert status == 1
    assert "- an operation was removed: `member_employees.preferences.customise`" in output
    assert output.endswith("1 change; the data subjects' rights shrink in none\n")


def test_json_holds_every_change(tree: Path) -> None:
    """Flows, statement, reason and how an example is judged on either side."""
    path = draft(tree, ("when: [visit.website, consent.marketing]", "when: [visit.website]"))

    status, output = run("policies/wework-labs", str(path), "--json")

    found: dict[str, Any] = json.loads(output)
    [change] = found["changes"]
    assert status == 3
    assert (found["difference"], found["rights_shrink"]) == (True, True)
    assert change["statement"] == {"id": "visitors.website.market", "clause": "visitors.6"}
    assert change["closest"]["lacks"] == ["facts"]
    assert change["flows"]["role"] == {"terms": ["visitor"]}
    assert change["flows"]["facts"] == {"consent.marketing": False, "visit.website": True}
    assert change["flows"]["legal_basis"] == {"terms": ["consent"], "or_not_stated": True}
    assert change["example"]["data_categories"] == ["user.contact"]
    assert [change[each]["outcome"] for each in ("before", "after")] == ["violation", "permitted"]


def test_versions_of_a_directory_are_compared_by_name(tree: Path) -> None:
    """`DIR@VERSION` picks one; without it, the latest counts."""
    old = tree / "wework-labs" / "policy.2018-05-25.yaml"
    text = old.read_text(encoding="utf-8")
    old.write_text(
        text.replace("in_force_until: null", "in_force_until: 2027-01-01T00:00:00+08:00"), "utf-8"
    )
    text = text.replace("operations: [collect, store, use]", "operations: [collect, use]", 1)
    text = text.replace('version: "2018-05-25"', "version: next")
    text = text.replace("in_force_from: 2018-05-25", "in_force_from: 2027-01-01")
    (tree / "wework-labs" / "policy.next.yaml").write_text(text, encoding="utf-8")

    by_name = run("policies/wework-labs@2018-05-25", "policies/wework-labs")
    in_tree = run("policies@2018-05-25", "policies@next", "--controller", "wework-labs", "--json")

    assert (by_name[0], in_tree[0]) == (1, 1)
    assert by_name[1].startswith("wework-labs: 2018-05-25 -> next\n")


def broken(tree: Path) -> tuple[str, str, str]:
    path = draft(tree, ("operations: [collect, use]", "operations: [colect, use]"))
    return "policies/wework-labs", str(path), "unknown operation `colect`; did you mean `collect`?"


@pytest.mark.parametrize(
    "sides",
    [
        lambda _: ("policies/wework-labs", "nowhere.yaml", "`nowhere.yaml` does not exist; name"),
        lambda _: ("policies", "policies", "choose one with `--controller`: `linggan-house`, `we"),
        lambda _: ("policies/wework-labs", "policies/linggan-house", "`wework-labs` is not `lingg"),
        lambda _: (
            "policies/wework-labs@1",
            "policies/wework-labs",
            "has no version `1`; name one",
        ),
        lambda _: ("policies/wework-labs/cases.yaml", "policies/wework-labs", "unknown field `def"),
        broken,
    ],
    ids=["missing", "several", "two_controllers", "no_version", "no_policy", "faulty"],
)
def test_what_cannot_be_compared_ends_with_status_2(
    tree: Path, sides: Callable[[Path], tuple[str, str, str]]
) -> None:
    """The message says what to do."""
    old, new, message = sides(tree)

    status, output = run(old, new)

    assert status == 2
    assert message in output
