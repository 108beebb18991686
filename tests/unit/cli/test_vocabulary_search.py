"""`purposewatch vocabulary search`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app

VOCABULARY = """\
roles: {member: }
data_categories:
  user:
  user.car:
    label: {en: Vehicle registration, zh: 车辆登记}
    synonyms: {en: [licence plate], zh: [车牌]}
    description: {en: The document or the plate, zh: 证件或车牌}
  user.car.colour:
operations: {use: }
purposes: {parking: {label: {en: Parking}}, parking.long: }
"""
POLICY = """\
controller: acme
version: "1"
in_force_from: 2020-01-01T00:00:00Z
sections: {s: {en: Section}}
statements:
  - {id: s.park, clause: s.1, effect: permit, roles: [member], data_categories: [user.car],
     operations: [use], purposes: [parking.long]}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A directory with the policy of `acme`."""
    home = tmp_path / "acme"
    home.mkdir()
    (home / "vocabulary.yaml").write_text(VOCABULARY, encoding="utf-8")
    (home / "policy.1.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


def run(policies: Path, *arguments: str) -> tuple[int, str]:
    command = ["vocabulary", "search", "--policies", str(policies), *arguments]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_table_shows_term_reason_and_statements(policies: Path) -> None:
    """A result names the term, its label and description, why it matched, and who speaks of it."""
    status, output = run(policies, "licence plat")
    assert status == 0
    for text in (
        "data category",
        "user.car",
        "Vehicle registration",
        "The document or the plate",
        "synonym: licence plate",
        "1 statement: s.park",
    ):
        assert text in output


def test_labels_are_shown_in_the_language(policies: Path) -> None:
    """`--lang zh` shows Chinese labels and descriptions."""
    _, output = run(policies, "车牌", "--lang", "zh")
    assert "车辆登记" in output
    assert "证件或车牌" in output


def test_statements_about_wider_and_narrower_terms_are_told_apart(policies: Path) -> None:
    """Only those about a wider term cover the flow, so the table says which they are."""
    assert "1 statement about a wider term: s.park" in run(policies, "colour")[1]
    assert "1 statement about narrower terms only: s.park" in run(policies, "parking")[1]


def test_json_holds_everything(policies: Path) -> None:
    """`--json` prints terms with their matches and all statements, by controller."""
    status, output = run(policies, "parking", "--dimension", "purposes", "--limit", "1", "--json")
    assert status == 0
    answer = json.loads(output)
    assert answer["query"] == "parking"
    [found] = answer["controllers"]["acme"]
    assert (found["dimension"], found["term"]) == ("purposes", "parking")
    assert found["matched"] == {"field": "label", "language": "en", "text": "Parking"}
    assert found["statements"] == {
        "naming": [],
        "covering": [],
        "narrower": ["s.park"],
        "excepting": [],
    }


def test_nothing_found_is_status_1(policies: Path) -> None:
    """A search without results says so and fails."""
    assert run(policies, "submarine") == (1, "acme: nothing found\n")


def test_unknown_controller_is_status_2(policies: Path) -> None:
    """The message names the controllers that there are."""
    status, output = run(policies, "parking", "--controller", "nobody")
    assert status == 2
    assert "no controller `nobody`; choose one of `acme`" in output
