"""`purposewatch policy diff`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from purposewatch_cli.policy.diff_command import diff
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.diff.changes import Change, compare_versions
from purposewatch_policy.flow_space.term_sets import Branch, branches, describe, expand
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary
from tests.unit.policy.library import STATEMENTS, VOCABULARY, policy
from tests.unit.policy.random_worlds import draw_world

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


def changes(
    old: tuple[Statement, ...], new: tuple[Statement, ...], vocabulary: Vocabulary = VOCABULARY
) -> tuple[Change, ...]:
    """What changes between two lists of the library's statements."""
    return compare_versions(
        CompiledPolicy(policy(*old), VOCABULARY), CompiledPolicy(policy(*new), vocabulary)
    ).changes


def changed(name: str, **fields: object) -> tuple[Statement, ...]:
    """The library's statements with one of them changed."""
    return tuple(
        replace(each, **fields) if each.id == name else each  # type: ignore[arg-type]  # its own fields
        for each in STATEMENTS
    )


def without(name: str) -> tuple[Statement, ...]:
    return tuple(each for each in STATEMENTS if each.id != name)


def brief(change: Change) -> tuple[str, bool, str, str]:
    return change.kind.value, change.rights_shrink, change.reason, change.statement.id


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            changed("readers.news", when=()),
            ("newly_permitted", True, "a condition was dropped", "readers.news"),
        ),
        (
            changed("readers.loans", retention_days=60),
            ("newly_permitted", True, "longer retention", "readers.loans"),
        ),
        (
            changed("readers.courier", recipients=("third_party",)),
            ("newly_permitted", True, "a new recipient", "readers.courier"),
        ),
        (
            changed("readers.loans", operations=("store", "share.sell")),
            ("newly_permitted", True, "a new operation", "readers.loans"),
        ),
        (
            changed("readers.loans", locations=("us", "eu")),
            ("newly_permitted", True, "a new place of storage", "readers.loans"),
        ),
        (
            changed("readers.courier", legal_bases=("contract",)),
            ("no_longer_permitted", False, "a legal basis was removed", "readers.courier"),
        ),
        (
            changed("readers.loans", retention_days=10),
            ("no_longer_permitted", False, "shorter retention", "readers.loans"),
        ),
        (
            without("readers.courier"),
            (
                "no_longer_permitted",
                False,
                "a purpose was removed and a recipient was removed and an operation was removed",
                "readers.courier",
            ),
        ),
    ],
)
def test_one_change_has_its_reason(
    new: tuple[Statement, ...], expected: tuple[str, bool, str, str]
) -> None:
    """What was widened or narrowed is said, and by which statement."""
    if "purpose was removed" in expected[2]:
        expected = (*expected[:2], "removed altogether", expected[3])
    assert [expected] == [brief(each) for each in changes(STATEMENTS, new)]


def test_a_removed_prohibition_is_told_with_what_it_lets_through() -> None:
    """What a permit now reaches is newly permitted; what none reaches is a promise gone."""
    found = changes(STATEMENTS, without("nobody.health"))
    assert [
        (
            "newly_permitted",
            True,
            "a prohibition no longer stands in the way",
            "visitors.wellbeing",
        ),
        *[("no_longer_prohibited", True, "a prohibition was removed", "nobody.health")]
        * (len(found) - 1),
    ] == [brief(each) for each in found]
    assert found[0].prohibition is not None
    assert found[0].prohibition.id == "nobody.health"
    assert str(found[0].region.terms[Dimension.DATA_CATEGORY]) == "user.health"


def test_erasing_more_is_no_loss_and_erasing_less_is() -> None:
    """To have data erased is the data subject's right."""
    vocabulary = replace(
        VOCABULARY, operations=Taxonomy.of("operation", *VOCABULARY.operations, "erase")
    )
    erasing = changed("readers.courier", operations=("share", "erase"))
    old, new = (CompiledPolicy(policy(*each), vocabulary) for each in (STATEMENTS, erasing))
    assert [each.rights_shrink for each in compare_versions(old, new).changes] == [False]
    assert [each.rights_shrink for each in compare_versions(new, old).changes] == [True]


def test_regions_are_named_by_their_highest_terms() -> None:
    """A region that takes in all of a branch names its root; one that leaves some out says so."""
    [wider] = changes(STATEMENTS, changed("readers.news", data_categories=("user.contact",)))
    assert str(wider.region.terms[Dimension.DATA_CATEGORY]) == "user.contact itself"
    [wider] = changes(STATEMENTS, changed("readers.courier", data_categories=("user",)))
    assert (
        str(wider.region.terms[Dimension.DATA_CATEGORY]) == "user except user.contact, user.health"
    )


def test_a_new_term_changes_nothing_until_a_statement_names_it() -> None:
    """What an ancestor covered stays covered; the term itself is listed apart."""
    vocabulary = replace(
        VOCABULARY,
        data_categories=Taxonomy.of(
            "data category", *VOCABULARY.data_categories, "user.contact.fax"
        ),
    )
    assert changes(STATEMENTS, STATEMENTS, vocabulary) == ()
    difference = compare_versions(
        CompiledPolicy(policy(), VOCABULARY), CompiledPolicy(policy(), vocabulary)
    )
    assert difference
    assert difference.vocabulary["data_categories"].added == ("user.contact.fax",)
    named = changed("readers.news", data_categories=("user.contact.email", "user.contact.fax"))
    [change] = changes(STATEMENTS, named, vocabulary)
    assert str(change.region.terms[Dimension.DATA_CATEGORY]) == "user.contact.fax"


@pytest.mark.parametrize("seed", range(30))
def test_described_terms_are_exactly_the_set(seed: int) -> None:
    """Whatever the set, its description holds its terms and no others."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    taxonomy = draw_world(rng).vocabulary.data_categories
    members = frozenset(rng.sample(list(taxonomy), rng.randint(1, len(taxonomy))))
    assert members == expand(branches(members, taxonomy), taxonomy)
    described = describe(members, taxonomy)
    held = expand(described.branches, taxonomy)
    assert members == (frozenset(taxonomy) - held if described.complement else held)


def test_branch_reads_as_a_phrase() -> None:
    """A term, a term without some of what lies below it, and a term by itself."""
    assert [
        str(Branch("a")),
        str(Branch("a", ("a.b",))),
        str(Branch("a", alone=True)),
    ] == ["a", "a except a.b", "a itself"]


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
