"""`purposewatch policy explain`: what it reads, what it says, how it ends."""

# ruff: noqa: RUF001 - the Chinese punctuation is intended

import io
import json
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from purposewatch_cli.policy import explain_command
from purposewatch_cli.policy.explain.as_json import as_json
from purposewatch_cli.policy.explain.report import show, wrapped
from purposewatch_cli.policy.explain_command import explain
from purposewatch_cli.policy.loading import LanguageTag
from purposewatch_cli.terminal import console
from purposewatch_contract import EXAMPLE_DIR
from purposewatch_policy import (
    CompiledPolicy,
    Outcome,
    PolicySet,
    change_flow,
    change_policy,
    decide,
    decide_under,
    load_policies,
)
from purposewatch_policy import explain as explained
from purposewatch_policy.cases import load_cases
from purposewatch_policy.languages import LANGUAGES, TAGS
from tests.unit.policy.library import NOW, STATEMENTS, VOCABULARY, flow, policy

POLICIES_DIR = Path(__file__).parents[4] / "policies"
POLICIES: PolicySet = load_policies(POLICIES_DIR)
EXAMPLES = {path.name: path for path in EXAMPLE_DIR.rglob("*.json")}

FLOW = {
    "controller": "wework-labs",
    "role": "member_employee",
    "operation": "collect",
    "purpose": "essential.service.access_control",
    "recipient": "first_party",
    "data_categories": ["user.contact.email"],
}
"""What the employer has to be the source of."""

EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/crm/newsletter",
    "type": "purposewatch.data_access.v1",
    "time": "2026-03-02T08:15:00Z",
    "data": {**FLOW, "source": "employer", "subject_id": "customer-4711"},
}
FLAGS = [
    "--controller=wework-labs",
    "--role=member_employee",
    "--operation=collect",
    "--purpose=essential.service.access_control",
    "--recipient=first_party",
    "--data-category=user.contact.email",
]

APP = typer.Typer()
APP.command()(explain)


def run(*arguments: str, content: object = None, columns: int = 100) -> Result:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return CliRunner().invoke(
        APP,
        [*arguments, f"--policies={POLICIES_DIR}"],
        input=text,
        env={"COLUMNS": str(columns)},
    )


def run_json(*arguments: str, content: object = None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(run(*arguments, "--json", content=content).stdout)
    return value


# --- Input ----------------------------------------------------------------------------------------


def test_event_of_a_file_is_explained(tmp_path: Path) -> None:
    """A submitted event is decided at its own time; permitted ends with 0."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT, indent=2), encoding="utf-8")
    result = run(str(path))
    assert result.exit_code == 0
    assert "permitted by `member_employees.contact.collect`" in result.stdout
    assert "2026-03-02T08:15:00+00:00" in result.stdout


@pytest.mark.parametrize("whole", [True, False])
def test_count_is_no_part_of_the_flow(*, whole: bool) -> None:
    """It changes nothing that is explained."""
    data = {**FLOW, "source": "employer", "subject_id": "customer-4711"}
    counted = {**data, "count": 250}
    contents = [{**EVENT, "data": each} if whole else each for each in (data, counted)]
    first, second = (
        run("-", "--json", "--at=2026-03-02T08:15:00Z", content=each) for each in contents
    )
    assert first.exit_code == 0
    assert first.stdout == second.stdout


def test_event_of_standard_input_is_explained() -> None:
    """`-` is standard input; what identifies the data subject is never shown."""
    result = run("-", content=EVENT)
    assert result.exit_code == 0
    assert "4711" not in result.stdout
    assert "4711" not in run("-", "--json", content=EVENT).stdout


def test_canonical_event_is_explained() -> None:
    """Canonical events are read as well as submitted ones."""
    (canonical,) = (path for name, path in EXAMPLES.items() if name.startswith("canonical-event"))
    content = canonical.read_bytes().decode()
    answer = run_json("-", content=content)
    assert json.loads(content)["data"]["role"] == answer["flow"]["role"]
    assert "subject" not in answer["flow"]


def test_bare_flow_is_explained() -> None:
    """A flow without an envelope is decided as of now, unless told otherwise."""
    result = run("-", "--at=2010-01-01T00:00:00Z", content=FLOW)
    assert result.exit_code == 1
    assert "no version of the policy of `wework-labs` was in force" in " ".join(
        result.stdout.split()
    )
    assert "version 2018-05-25 is in force from" in result.stdout
    assert run("-", content=FLOW).exit_code == 1


def test_flags_describe_a_flow() -> None:
    """Without an event, flags say everything."""
    assert run(*FLAGS).exit_code == 1
    assert run(*FLAGS, "--source=employer", "--retention-days=30").exit_code == 0


def test_flags_change_an_event() -> None:
    """With an event, flags say what would be different."""
    assert run("-", "--purpose=marketing.advertising", content=EVENT).exit_code == 1


def test_facts_are_given_by_name() -> None:
    """A fact holds unless its flag says otherwise."""
    answer = run_json(*FLAGS, "--fact=consent.marketing", "--fact=request.made=false")
    assert answer["flow"]["facts"] == {
        "consent.marketing": True,
        "request.made": False,
    }


@pytest.mark.parametrize(
    ("arguments", "content", "complaint"),
    [
        ([], None, "name a file with an event (`-` is standard input), or describe the flow"),
        (["--controller=wework-labs"], None, "`--purpose` is missing; add it"),
        ([*FLAGS, "--role=The Boss"], None, "`--role` is not a name; write lower-case words"),
        ([*FLAGS, "--fact=a=maybe"], None, "`--fact a=maybe` says neither true nor false"),
        ([*FLAGS, "--at=2026-01-01T00:00:00"], None, "`--at`: `2026-01-01T00:00:00` lacks a time"),
        (["nowhere.json"], None, "can't read `nowhere.json`: no such file or directory"),
        ([str(POLICIES_DIR)], None, "is a directory; name a file with one event"),
        (["-"], "", "the input is empty"),
        (["-"], "{'a': 1}", "the input is not JSON (line 1, column 2)"),
        (["-"], b"\xff\xfe{", "the input is not JSON"),
        (["-"], "[1]", "the input is not a JSON object"),
        (["-"], "{}\n{}", "the input holds more than one JSON object; give one event"),
        (["-"], " " * (1 << 20) + "{}", "the input is longer than 1048576 bytes"),
        (["-"], {**FLOW, "name": "Ms Smith"}, "`name` is not a field; remove it"),
        (["-"], {**FLOW, "retention_days": "30"}, "`retention_days` input should be a valid int"),
        (["-"], {**EVENT, "data": FLOW}, "`data.subject_id` is missing; add it"),
        (["-"], {**EVENT, "time": "2026-01-01T00:00:00"}, "`time` has no time zone; add one"),
        (["-"], {**FLOW, "data_categories": ["user", "user"]}, "the flow names the same data cat"),
    ],
)
def test_unusable_input_is_refused(arguments: list[str], content: object, complaint: str) -> None:
    """What can't be asked about ends with 2 and says what to do, without repeating values."""
    result = run(*arguments, content=content)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Smith" not in result.stderr
    assert not result.stdout


def test_policies_that_are_not_there_are_refused() -> None:
    """Without policies nothing can be explained."""
    result = CliRunner().invoke(APP, [*FLAGS, "--policies=nowhere"])
    assert (result.exit_code, "name the directory of the policies" in result.stderr) == (2, True)


# --- What it says ---------------------------------------------------------------------------------


def test_violation_is_explained_with_what_would_change_it() -> None:
    """The failed dimension is marked, and the change of the event and of the policy follow."""
    lines = [" ".join(line.split()) for line in run(*FLAGS).stdout.splitlines()]
    assert lines[0].startswith("violation undeclared source policy of `wework-labs`")
    assert "✗ source not stated employer The person's employer" in lines
    assert "✓ recipient first_party The controller first_party The controller" in lines
    assert "- state the source `employer`, in the field `data.source`" in lines
    assert "then `member_employees.contact.collect` (member_employees.1) permits it" in lines
    assert (
        "- do not restrict the sources of `member_employees.contact.collect` (member_employees.1)"
        in lines
    )


def test_chinese_explanation_has_chinese_labels() -> None:
    """`--lang zh` changes sentence, labels and headings alike."""
    result = run(*FLAGS, "--lang=zh")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert lines[0].startswith("违规 来源未声明")
    assert "✗ 来源 未说明 雇主 employer" in lines
    assert "- 写明来源为「雇主」（`employer`）（字段 `data.source`）" in lines
    assert "the statement" not in result.stdout


def test_defined_term_is_named_with_what_it_names() -> None:
    """A term that the statement names by a defined term has the label of that beside it."""
    asked = ["--controller=wework-labs", "--role=member_employee", "--operation=collect"]
    asked += ["--purpose=essential.service.access_control", "--recipient=first_party"]
    asked += ["--data-category=user.contact.email"]
    result = run(*asked, columns=200)
    assert "user.contact  Contact details  [Contact information]" in result.stdout
    (category,) = json.loads(run(*asked, "--json").stdout)["categories"]
    by = [each for each in category["dimensions"] if each["dimension"] == "data_category"]
    assert by[0]["expected"][0]["defined_term"] == "Contact information"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "none: whatever else the event states, `nobody.health` (limits.1) or another"),
        ("zh", "无：无论事件还说明什么，都为声明 `nobody.health`（limits.1）等所禁止"),
    ],
)
def test_prohibition_without_a_way_out_is_named(language: str, expected: str) -> None:
    """Where a prohibition stands in the way of every change of the event, it is shown."""
    everything = replace(STATEMENTS[4], operations=("collect", "use", "store", "share"))
    policies = PolicySet({"library": VOCABULARY}, [policy(STATEMENTS[5], everything)])
    asked = flow(role="visitor", data_categories=("user.health",))
    explanation = explained(asked, NOW, policies, language)
    stream = io.StringIO()
    show(console(stream), explanation)
    assert expected in stream.getvalue()
    (category,) = json.loads(json.dumps(as_json(explanation)))["categories"]
    assert category["smallest_change"]["event"] is None
    assert category["smallest_change"]["prohibition_in_the_way"] == "nobody.health"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "a part is prohibited by `nobody.health` · clause limits.1"),
        ("zh", "禁止其中一部分的依据 `nobody.health` · 条款 limits.1"),
    ],
)
def test_prohibition_of_a_part_is_named(language: str, expected: str) -> None:
    """It is shown as what it is, and the change names a part that is not prohibited."""
    policies = PolicySet({"library": VOCABULARY}, [policy()])
    asked = flow(role="visitor", operation="collect", data_categories=("user",))
    explanation = explained(asked, NOW, policies, language)
    stream = io.StringIO()
    show(console(stream), explanation)
    assert expected in stream.getvalue()
    [category] = explanation.categories
    assert "`user.contact`" in category.advice[0].changes[0]


def test_category_without_statements_says_so() -> None:
    """Where no statement speaks of the data, no change of the event helps."""
    result = run(*FLAGS, "--data-category=user.location")
    assert "none: no statement for this role permits anything with this data" in result.stdout
    assert "without `user.location`" not in result.stdout


def test_category_that_spoils_the_event_can_be_left_out() -> None:
    """Where only some categories are at fault, the rest of the event is permitted."""
    result = run(*FLAGS, "--source=employer", "--data-category=user.location")
    assert "without `user.location` the event would be permitted" in result.stdout
    assert ", for this data category by itself" in result.stdout


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--role=membr_employee", "`membr_employee` is not in the vocabulary; did you mean"),
        ("--controller=wework-lab", "did you mean `wework-labs`?"),
        ("--fact=zzz.zzz", "`zzz.zzz` is not in the vocabulary; declare it"),
    ],
)
def test_unknown_term_is_explained_with_the_likely_one(flag: str, hint: str) -> None:
    """What can't be judged ends with 1 and names the word that was most likely meant."""
    result = run(*FLAGS, flag)
    assert (result.exit_code, hint in result.stdout) == (1, True)


def test_json_holds_the_same() -> None:
    """`--json` prints one object with the values behind the report."""
    answer = run_json(*FLAGS)
    (category,) = answer["categories"]
    assert (answer["outcome"], answer["kind"]) == ("violation", "undeclared_source")
    failed = [each["dimension"] for each in category["dimensions"] if not each["covered"]]
    assert failed == ["source"]
    assert category["smallest_change"] == {
        "event": {
            "permitted_by": "member_employees.contact.collect",
            "clause": "member_employees.1",
            "changes": [
                {
                    "dimension": "source",
                    "field": "/data/source",
                    "value": "employer",
                    "before": None,
                    "text": "state the source `employer`, in the field `data.source`",
                }
            ],
        },
        "prohibition_in_the_way": None,
        "policy": [
            {
                "action": "lift",
                "statement": "member_employees.contact.collect",
                "clause": "member_employees.1",
                "dimension": "source",
                "terms": [],
                "days": None,
                "text": "do not restrict the sources of `member_employees.contact.collect` "
                "(member_employees.1)",
            }
        ],
    }


@pytest.mark.parametrize("controller", POLICIES.controllers)
def test_every_case_can_be_explained(controller: str) -> None:
    """Each case beside the policies is explained in each language, by changes that are true."""
    for case in load_cases(POLICIES_DIR / controller / "cases.yaml").cases:
        for language in LANGUAGES:
            explanation = explained(case.flow, case.at, POLICIES, language)
            out = console(io.StringIO())
            show(out, explanation)
            json.dumps(as_json(explanation))
        assert decide(case.flow, case.at, POLICIES) == explanation.decision
        compiled = POLICIES.in_force(case.flow.controller, case.at)
        for category in explanation.categories:
            if category.remedies is None or compiled is None:
                continue
            name = category.decided.data_category
            if (event := category.remedies.event) is not None:
                after = change_flow(case.flow, name, event.changes)
                assert decide_under(after, compiled).outcome is Outcome.PERMITTED, case.name
            if (edits := category.remedies.policy) is not None:
                wider = change_policy(compiled.policy, edits.changes)
                wider_compiled = CompiledPolicy(wider, compiled.vocabulary)
                alone = change_flow(case.flow, name, ())
                assert decide_under(alone, wider_compiled).outcome is Outcome.PERMITTED, case.name


def test_prohibition_that_applies_is_not_marked_as_met() -> None:
    """Of a prohibition, what makes it apply is marked as speaking against the event."""
    result = run(
        "--controller=linggan-house",
        "--role=user",
        "--operation=collect",
        "--purpose=essential.service.location_based",
        "--recipient=first_party",
        "--data-category=user.location",
        "--source=device",
    )
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith("prohibited by `collection.location.stop`") for line in lines)
    assert "! operation collect Collect collect Collect" in lines
    assert not any(line.startswith("✓") for line in lines)
    assert any(line.startswith("- needs `location.enabled`") for line in lines)


def test_languages_of_the_core_are_those_of_the_command() -> None:
    """A language that the core speaks can be asked for, and has its headings."""
    assert set(LANGUAGES) == set(TAGS) == {each.value for each in LanguageTag}


@pytest.mark.parametrize("width", [24, 40, 90])
def test_lines_break_within_no_term(width: int) -> None:
    """Chinese breaks between characters, but terms and closing punctuation stay together."""
    text = "「广告方」（`third_party`）被共享给声明 `members.contact`，其用途限于「识别身份」。"
    lines = list(wrapped(text, width))
    assert text.replace(" ", "") == "".join(lines).replace(" ", "")
    assert max(cell_len(line) for line in lines) <= width
    assert not any(line.startswith(("，", "。", "」", "）")) for line in lines)
    assert all(line.count("`") % 2 == 0 for line in lines)


def test_moment_is_now_without_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A described flow is decided by the version that is in force now."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 3, 2, 9, 0, 0, 5, tzinfo=tz)

    monkeypatch.setattr(explain_command, "datetime", Frozen)
    assert run_json(*FLAGS)["at"] == "2026-03-02T09:00:00+00:00"
