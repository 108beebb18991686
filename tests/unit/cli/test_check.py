"""`purposewatch check`."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from purposewatch_cli.terminal import printable
from tests.unit.cli.policy.trees import copy_with_ledger

runner = CliRunner()


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def check(root: Path, *arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    """Run the command; its exit status and everything it printed."""
    result = runner.invoke(
        app, ["check", "--policies", str(root / "policies"), *arguments], input=stdin
    )
    return result.exit_code, result.output


def lines_of(root: Path, role: str) -> list[str]:
    return (root / "docs" / "examples" / f"{role}.jsonl").read_text().splitlines()


def test_a_file_with_only_permitted_events_ends_with_status_0(root: Path) -> None:
    """Nothing to report is success."""
    permitted = "\n".join(lines_of(root, "member")[:4]).encode()

    status, output = check(root, "-", stdin=permitted)

    assert status == 0
    assert output.splitlines() == [
        "4 events: 4 permitted, 0 violations, 0 unknown",
        "facts: as the events state them; `--facts FILE` takes them from statements",
    ]


def test_accesses_are_counted_apart_from_events(root: Path) -> None:
    """In the summary where they differ; the flow has no count."""
    events = [json.loads(line) for line in lines_of(root, "member")[:2]]
    events[0]["data"]["count"] = 250
    content = "\n".join(map(json.dumps, events)).encode()

    status, output = check(root, "-", stdin=content)
    assert status == 0
    assert output.startswith("2 events (251 accesses): 2 permitted")

    _, output = check(root, "--json", "-", stdin=content)
    first, second, summary = map(json.loads, output.splitlines())
    assert (first["accesses"], second["accesses"]) == (250, 1)
    assert "count" not in first["flow"]
    assert (summary["events"], summary["accesses"]) == (2, 251)


@pytest.mark.parametrize("width", ["80", "160"])
def test_violations_are_shown_with_their_reason(
    root: Path, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Role, kind, clause and the reason are shown, as a table or, if narrow, as blocks."""
    monkeypatch.setenv("COLUMNS", width)

    status, output = check(root, str(root / "docs" / "examples" / "visitor.jsonl"))

    assert status == 1
    for expected in ("visitor", "condition_not_met", "visitors.6", "consent.marketing"):
        assert expected in output


def test_unknown_terms_end_with_status_1(root: Path) -> None:
    """What can't be judged is never taken for permitted."""
    event = json.loads(lines_of(root, "member")[0])
    event["data"]["controller"] = "somebody-else"

    status, output = check(root, "-", stdin=json.dumps(event).encode())

    assert status == 1
    assert "1 unknown" in output


def test_a_faulty_line_ends_with_status_2_and_its_number(root: Path) -> None:
    """The rest of the file is audited all the same."""
    good = lines_of(root, "member")[0]

    status, output = check(root, "-", stdin=f"{good}\n{{}}\n{good}\n".encode())

    assert status == 2
    assert "line 2: `/specversion` is missing; add it" in output
    assert "2 events: 2 permitted" in output


@pytest.mark.parametrize("name", ["no-such-file.jsonl", "."])
def test_unusable_input_ends_with_status_2(root: Path, name: str) -> None:
    """A file that can't be read is a failure."""
    status, output = check(root, name)

    assert status == 2
    assert f"can't read `{name}`" in output


def test_an_empty_file_is_no_success(root: Path) -> None:
    """A pipeline that lost its events on the way must not pass."""
    status, output = check(root, "-", stdin=b"")

    assert (status, output.strip()) == (2, "no events: the input is empty")


def test_json_output_has_one_object_for_each_line_and_a_summary(root: Path) -> None:
    """Machines get everything, subjects' identifiers excepted."""
    text = "\n".join([*lines_of(root, "user"), "nope"])

    status, output = check(root, "--json", "-", stdin=text.encode())

    objects = [json.loads(line) for line in output.splitlines()]
    assert status == 2
    assert [*["verdict"] * 8, "fault", "summary"] == [each["type"] for each in objects]
    assert objects[-1]["outcomes"] == {"permitted": 5, "violation": 3, "unknown": 0}
    assert "subject_id" not in output
    assert objects[7]["categories"][0]["clause"] == "sharing.1"


def test_the_table_is_capped_and_says_how_many_more(root: Path) -> None:
    """A file with a million findings does not become a million rows."""
    violation = lines_of(root, "visitor")[4]

    _, output = check(root, "--limit", "3", "-", stdin=f"{violation}\n".encode() * 10)

    assert "... and 7 more findings" in output
    assert "10 violations" in output


def test_missing_policies_say_what_to_do() -> None:
    """The directory is named, and the option."""
    result = runner.invoke(app, ["check", "--policies", "nowhere", "-"], input=b"")

    assert result.exit_code == 2
    assert (
        "there is no directory `nowhere`; name the directory of the policies with `--policies`"
        in (result.output)
    )


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "bell\x07", "\u202egnp.exe", "\x9b2J"])
def test_nothing_printed_can_drive_a_terminal(text: str) -> None:
    """Escapes, line breaks and direction marks are replaced."""
    assert all(char.isprintable() for char in printable(text))


EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/crm",
    "type": "purposewatch.data_access.v1",
    "time": "2026-03-02T08:15:00Z",
    "data": {
        "controller": "acme",
        "role": "member",
        "operation": "use",
        "purpose": "marketing",
        "recipient": "first_party",
        "data_categories": ["user.contact.email"],
        "facts": {"consent.marketing": True},
        "subject_id": "m-1",
    },
}
STATED = (
    "facts:\n"
    "  - {controller: acme, subject_id: m-1, fact: consent.marketing, value: true,\n"
    "     effective_from: 2026-03-01T00:00:00Z, until: 2026-03-03T00:00:00Z}\n"
)


@pytest.mark.parametrize("command", [["check"], ["policy", "explain"]])
@pytest.mark.parametrize(
    ("changes", "with_facts", "kind"),
    [
        ({}, False, None),
        ({}, True, None),
        ({"time": "2026-03-03T00:00:00Z"}, False, None),
        ({"time": "2026-03-03T00:00:00Z"}, True, "contradicted_claim"),
        ({"data": {**EVENT["data"], "subject_id": "m-2"}}, True, "contradicted_claim"),  # type: ignore[dict-item]
    ],
)
def test_statements_of_a_file_count_instead_of_claims(
    tmp_path: Path,
    command: list[str],
    changes: dict[str, object],
    *,
    with_facts: bool,
    kind: str | None,
) -> None:
    """Those about the event's subject, as of its time; without the file, events are believed."""
    policies = copy_with_ledger(tmp_path / "policies")
    (tmp_path / "facts.yaml").write_text(STATED, encoding="utf-8")
    facts = ["--facts", str(tmp_path / "facts.yaml")] if with_facts else []
    options = [*command, "--policies", str(policies), "--json", *facts, "-"]

    result = runner.invoke(app, options, input=json.dumps(EVENT | changes).encode())

    if command == ["policy", "explain"]:
        assert json.loads(result.output)["kind"] == kind
    else:
        verdict, summary = map(json.loads, result.output.splitlines())
        assert verdict["kind"] == kind
        assert summary["facts"] == ("statements" if with_facts else "events")


def test_report_says_whose_word_counts(tmp_path: Path) -> None:
    """And a file with faults is refused."""
    policies = copy_with_ledger(tmp_path / "policies")
    facts = tmp_path / "facts.yaml"
    facts.write_text(STATED, encoding="utf-8")
    options = ["check", "--policies", str(policies), "--facts", str(facts), "-"]

    result = runner.invoke(app, options, input=json.dumps(EVENT).encode())
    assert result.output.splitlines()[-1] == "facts: from 1 statement"

    facts.write_text(STATED.replace("consent.", "content."), encoding="utf-8")
    result = runner.invoke(app, options, input=json.dumps(EVENT).encode())
    assert result.exit_code == 2
    assert "`content.marketing` is not a fact of `acme`" in result.output.replace("\n", " ")


def test_described_flow_has_no_subject_to_have_facts(tmp_path: Path) -> None:
    """Statements are by subject."""
    policies = copy_with_ledger(tmp_path / "policies")
    facts = tmp_path / "facts.yaml"
    facts.write_text(STATED, encoding="utf-8")
    options = ["policy", "explain", "--policies", str(policies), "--facts", str(facts), "-"]
    flow = {name: value for name, value in EVENT["data"].items() if name != "subject_id"}  # type: ignore[attr-defined]

    result = runner.invoke(app, options, input=json.dumps(flow).encode())

    assert result.exit_code == 2
    assert "`--facts` has statements by subject" in result.output


def test_example_claims_a_consent_that_nobody_stated(root: Path) -> None:
    """With an empty file of statements, the policies of the repository decide as their services."""
    events = str(root / "docs" / "examples" / "visitor.jsonl")

    believed, checked = check(root, events), check(root, events, "--facts", os.devnull)

    assert "4 permitted, 3 violations" in believed[1]
    assert "3 permitted, 4 violations" in checked[1]
    assert "contradicted_claim" in checked[1]
