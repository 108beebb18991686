"""Lint finds what is wrong with versions and statements in shadow mode."""

import shutil
from pathlib import Path

import pytest

from purposewatch_policy.lint import Finding, lint_path

SOUND = Path(__file__).parents[1] / "sound"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(SOUND, tmp_path, dirs_exist_ok=True)
    return tmp_path / "acme"


def add(home: Path, text: str) -> None:
    with (home / "policy.1.yaml").open("a", encoding="utf-8") as file:
        file.write(text)


def findings(home: Path, *rules: str) -> list[Finding]:
    return [each for each in lint_path(home).findings if each.rule.id in rules]


PROHIBITION = """
  - id: members.no_contact
    clause: members.3
    effect: prohibit
    shadow: true
    data_categories: [user.contact]
    operations: [use]
    purposes: [service, marketing]
"""


def test_what_a_statement_would_cause_is_found_before_it_is_live(home: Path) -> None:
    """A contradiction counts, is at the statement, and says that it is not there yet."""
    assert findings(home, "contradiction") == []
    add(home, PROHIBITION)
    [found] = findings(home, "contradiction")
    assert found.statements == ("members.no_contact", "members.contact")
    assert found.details[-1] == "once what is in shadow mode is live"
    assert found.at.line == 1 + (home / "policy.1.yaml").read_text().splitlines().index(
        "  - id: members.no_contact"
    )


def test_the_live_version_is_checked_without_it(home: Path) -> None:
    """A live statement is not reported as a duplicate of one that is only tried."""
    twin = (home / "policy.1.yaml").read_text().partition("  - id: members.contact")[2]
    twin = twin.partition("  - id: members.health")[0]
    add(home, "  - id: members.twin" + twin.replace("permit", "permit\n    shadow: true"))
    [found] = findings(home, "duplicate-statement")
    assert found.statements == ("members.twin", "members.contact")
    assert lint_path(home).policies == (("acme", "1", 3),)


def test_an_acceptance_counts_in_shadow_mode(home: Path) -> None:
    """A statement can accept a finding before it goes live; an unused acceptance is found."""
    accepted = "    accepted_findings:\n      - {rule: contradiction, reason: Meant.}\n"
    add(home, PROHIBITION + accepted)
    [found] = findings(home, "contradiction")
    assert found.accepted == "Meant."
    assert findings(home, "unused-acceptance") == []
    add(home, "      - {rule: public-disclosure, reason: None.}\n")
    [unused] = findings(home, "unused-acceptance")
    assert "`members.no_contact` accepts `public-disclosure`" in unused.message


def test_a_defined_term_that_is_only_tried_is_used(home: Path) -> None:
    """Its statement will need it."""
    path = home / "policy.1.yaml"
    text = path.read_text().replace("effect: permit", "effect: permit\n    shadow: true")
    path.write_text(text)
    assert findings(home, "unused-defined-term") == []


@pytest.mark.parametrize(("purposes", "is_found"), [("[marketing]", True), ("[service]", False)])
def test_a_statement_without_effect_is_found(home: Path, purposes: str, *, is_found: bool) -> None:
    """There is nothing to learn from trying what decides nothing differently."""
    path = home / "policy.1.yaml"
    path.write_text(path.read_text().replace("purposes: [service]", "purposes: [marketing]"))
    again = path.read_text().partition("  - id: members.contact")[2]
    again = again.partition("  - id: members.health")[0].replace("[marketing]", purposes)
    add(home, "  - id: members.again" + again.replace("permit", "permit\n    shadow: true"))
    found = findings(home, "shadow-without-effect")
    assert bool(found) is is_found


def test_a_version_that_can_not_go_live_by_one_edit_is_found(home: Path) -> None:
    """It has to state which version it replaces, unless that ends before."""
    text = (home / "policy.1.yaml").read_text().replace('version: "1"', 'version: "2"')
    text = text.replace("user.health", "user.contact").replace("title:", "mode: shadow\ntitle:", 1)
    later = text.replace("2020-01-01", "2021-06-01")
    (home / "policy.2.yaml").write_text(later)
    [found] = findings(home, "shadow-overlap")
    assert "once live, `2` would overlap `1`; let it state `replaces: 1`" in found.message
    open_ended = (home / "policy.1.yaml").read_text()
    (home / "policy.1.yaml").write_text(
        open_ended.replace("in_force_until: 2022-01-01T00:00:00+08:00\n", "")
    )
    (home / "policy.2.yaml").write_text(later.replace("mode:", "replaces: 1\nmode:"))
    assert findings(home, "shadow-overlap") == []


def test_a_version_of_several_files_is_located_in_each(home: Path) -> None:
    """A finding is in the file that has the statement."""
    add(home, PROHIBITION.replace("    shadow: true\n", ""))
    head, _, last = (home / "policy.1.yaml").read_text().partition("  - id: members.no_contact")
    (home / "policy.1.yaml").unlink()
    (home / "policy.1").mkdir()
    (home / "policy.1" / "policy.yaml").write_text(head)
    (home / "policy.1" / "more.yaml").write_text(f"statements:\n  - id: members.no_contact{last}")
    [found] = findings(home, "contradiction")
    assert found.at.path.endswith("policy.1/more.yaml")
