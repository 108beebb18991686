"""`purposewatch policy show`."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from purposewatch_cli.policy.show.flows import flows
from purposewatch_cli.policy.show.markdown import as_markdown
from purposewatch_cli.policy.show.matrix import RoleMatrix, matrices
from purposewatch_cli.policy.show.picture import as_svg
from purposewatch_cli.policy.show.words import Wording
from purposewatch_cli.policy.show_command import show
from purposewatch_policy import (
    CompiledPolicy,
    Effect,
    Mode,
    Outcome,
    Statement,
    decide_under,
    load_policies,
)
from purposewatch_policy.flow_space import expand
from purposewatch_policy.languages import TAGS
from tests.unit.policy.library import POLICY, STATEMENTS, VOCABULARY, flow, policy

app = typer.Typer()
app.command()(show)

LIBRARY = CompiledPolicy(POLICY, VOCABULARY)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def policies(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "policies"


def run(*arguments: str, columns: int = 140) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)})
    return result.exit_code, result.output


def as_rows(matrix: RoleMatrix) -> dict[tuple[str, str], list[str]]:
    wording = Wording(LIBRARY, "en")
    return {
        (str(row.purpose), ", ".join(map(str, row.recipients))): list(map(wording.marks, row.cells))
        for row in matrix.rows
    }


def test_matrix_says_what_is_permitted() -> None:
    """Columns are categories treated alike; small letters depend on facts, `~` marks a part."""
    reader, visitor, donor = matrices(LIBRARY)
    assert [", ".join(map(str, column.terms)) for column in reader.columns] == [
        "user.contact itself",
        "user.contact.email",
        "user.loans",
    ]
    assert as_rows(reader) == {
        ("service itself", "first_party"): ["CU", "CU", ""],
        ("service.loans", "first_party"): ["CU", "CU", "k"],
        ("marketing", "first_party"): ["", "u", ""],
        ("service.loans", "third_party.courier"): ["S", "S", ""],
    }
    assert as_rows(visitor) == {("service", "first_party"): ["", "C"]}
    assert [", ".join(map(str, column.terms)) for column in visitor.columns] == [
        "user except user.contact, user.loans",  # health is prohibited, and so is what includes it
        "user.contact, user.loans",
    ]
    assert [
        tuple(each.id for each in matrix.prohibitions) for matrix in (reader, visitor, donor)
    ] == [("nobody.health",)] * 3
    assert donor.rows == ()


def test_cells_agree_with_the_decision() -> None:
    """What a cell holds is permitted by some flow; what it does not hold is permitted by none."""
    checked: Counter[bool] = Counter()
    for matrix in matrices(LIBRARY):
        shown = {
            (purpose, recipient, category, mark.operation)
            for row in matrix.rows
            for purpose in expand([row.purpose], VOCABULARY.purposes)
            for recipient in expand(row.recipients, VOCABULARY.recipients)
            for column, cell in zip(matrix.columns, row.cells, strict=True)
            for mark in cell
            for category in expand(column.terms, VOCABULARY.data_categories)
        }
        for purpose in VOCABULARY.purposes:
            for recipient in VOCABULARY.recipients:
                for category in VOCABULARY.data_categories:
                    for operation in ("collect", "use", "store", "share"):
                        stated = flow(
                            role=matrix.roles[0].term,
                            purpose=purpose,
                            recipient=recipient,
                            data_categories=(category,),
                            operation=operation,
                            location="eu",
                            retention_days=1,
                            facts={"consent.marketing": True},
                        )
                        permitted = decide_under(stated, LIBRARY).outcome is Outcome.PERMITTED
                        assert permitted == ((purpose, recipient, category, operation) in shown)
                        checked[permitted] += 1
    assert checked[True] > 20


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "u"),
        ({"when": ()}, "U"),
        ({"when": (), "unless": ("loan.returned",)}, "u"),
    ],
)
def test_a_permit_is_conditional_when_facts_decide(fields: dict[str, Any], expected: str) -> None:
    """A small letter means that there are facts by which it is not permitted."""
    statements = tuple(
        replace(each, **fields) if each.id == "readers.news" else each for each in STATEMENTS
    )
    assert expected == marketing_cell(statements)


@pytest.mark.parametrize(
    ("when", "expected"),
    [((), None), (("consent.marketing",), None), (("loan.returned",), "u")],
)
def test_prohibitions_are_taken_off(when: tuple[str, ...], expected: str | None) -> None:
    """What a prohibition forbids in every state of the facts is not shown as permitted."""
    forbids = Statement(
        id="nobody.news",
        clause="limits.2",
        effect=Effect.PROHIBIT,
        data_categories=("user.contact",),
        operations=("use",),
        purposes=("marketing",),
        when=when,
    )
    assert expected == marketing_cell((*STATEMENTS, forbids))


def marketing_cell(statements: tuple[Statement, ...]) -> str | None:
    """What the reader's row on marketing says about e-mail addresses."""
    reader, *_ = matrices(CompiledPolicy(policy(*statements), VOCABULARY))
    rows = as_rows(reader)
    return next(("".join(cells) for key, cells in rows.items() if key[0] == "marketing"), None)


def test_text_shows_a_table_for_every_role(policies: Path) -> None:
    """Labels of the policy's terms, conditions as numbered notes, clauses by section."""
    status, output = run(str(policies / "wework-labs"))

    assert status == 0
    assert "EMPLOYEE OF A MEMBER" in output
    assert "Contact information, Professional information" in output
    assert re.search(r"Customised workspace .* CUK +member_employees 7", output)
    assert re.search(r" cu +cu .* visitors 6 *\n", output)


def test_text_without_room_for_a_table_is_in_paragraphs(policies: Path) -> None:
    """Nothing is cut off on a narrow terminal."""
    status, output = run(str(policies / "linggan-house"), columns=72)

    assert status == 0
    assert "Legal claims → Another registered user" in output
    assert all(len(line.rstrip()) <= 72 for line in output.splitlines())


def test_labels_are_in_the_language_asked_for(policies: Path) -> None:
    """Headings too."""
    status, output = run(str(policies / "linggan-house"), "--lang", "zh", "--format", "markdown")

    assert status == 0
    assert output.startswith("# 灵感屋隐私协议\n")
    assert "| 催收 | 公众 |" in output


def test_markdown_tables_have_as_many_cells_as_columns(policies: Path) -> None:
    """Every table of every page is well formed."""
    for controller in ("wework-labs", "linggan-house"):
        _, output = run(str(policies / controller), "--format", "markdown")
        for table in re.findall(r"(?:^\|.*\n)+", output, flags=re.MULTILINE):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(cells) == 1


@pytest.mark.parametrize("language", TAGS)
@pytest.mark.parametrize("controller", ["wework-labs", "linggan-house"])
def test_picture_is_complete_and_needs_nothing_else(
    policies: Path, controller: str, language: str
) -> None:
    """Well-formed, in both colour schemes, without a link or script, all boxes inside."""
    [compiled] = load_policies(policies).versions(controller)
    text = as_svg(Wording(compiled, language))
    root = ET.fromstring(text)  # noqa: S314 - our own
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    boxes = root.findall(f"{SVG}rect")
    shown = flows(compiled)
    assert len(boxes) == 1 + len(shown.roles) + len(shown.groups) + len(shown.recipients)
    assert len(shown.strands) == len(root.findall(f"{SVG}g"))
    for box in boxes[1:]:
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"href|script|@import|url\(", text)


def test_picture_marks_the_public_and_roles_without_statements(policies: Path) -> None:
    """Recipients that amount to the public stand out."""
    [compiled] = load_policies(policies).versions("linggan-house")
    text = as_svg(Wording(compiled, "en"))
    alarming = re.findall(r'class="alarm"[^>]*>([^<]*)<', text)
    assert alarming == ["The public", "The person's contacts"]
    assert "no statement" in text


def test_titles_cannot_break_out_of_the_page_or_picture() -> None:
    """What a policy file says is shown, and never read as markup."""
    compiled = CompiledPolicy(replace(POLICY, title={"en": "<script>|*a*"}), VOCABULARY)
    assert as_markdown(Wording(compiled, "en")).startswith(r"# \<script\>\|\*a\*")
    assert "<script>" not in as_svg(Wording(compiled, "en"))


def test_a_policy_that_cannot_be_loaded_ends_with_status_2(tmp_path: Path) -> None:
    """The message says what to do."""
    status, output = run(str(tmp_path))
    assert status == 2
    assert "contains no policy; add" in output


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"mode": Mode.SHADOW}, " · in shadow mode"),
        (
            {"shadow_statements": {0: STATEMENTS[0]}},
            " · not shown, in shadow mode: readers.contact",
        ),
    ],
)
def test_what_is_in_shadow_mode_is_said(changes: dict[str, Any], shown: str) -> None:
    """A version says so itself; of another, statements that decide nothing are named."""
    compiled = CompiledPolicy(policy(**changes), VOCABULARY)
    assert Wording(compiled, "en").edition().endswith(shown)
