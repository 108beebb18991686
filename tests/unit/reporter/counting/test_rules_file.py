"""Reading and checking files of counting rules."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_policy.yaml_reader import SourceError, read_mapping
from purposewatch_reporter.counting.rule import Counted, CountedPer
from purposewatch_reporter.counting.rules_file import check_rules, load_rules
from purposewatch_reporter.findings.severity import Severity

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "deploy" / "counting" / "counting.yaml"
SCHEMA = json.loads(EXAMPLE.with_name("counting.schema.json").read_text("utf-8"))
VOCABULARIES = load_vocabularies(ROOT / "policies")
SOUND = {"flow": "{}", "count": "events", "more_than": "5", "within_minutes": "10"}

FAULTY = {
    "rules: [a]": "`rules` must be a mapping of fields",
    "rule: {}": "unknown field `rule`; did you mean `rules`?",
    "rules: {A: {}}": "`A` is not a rule's name; write one such as `bulk-reads`",
    "rules: {a: {counts: 5}}": "unknown field `counts`; did you mean `count`?",
    "count: subject": "`count` is `subject`; did you mean `subjects`?",
    "count: ": "a counting rule lacks `count`; add it",
    "more_than: 0": "`more_than` is `0`; write a whole number from 1 to 1000000000, unquoted",
    "more_than: ": "a counting rule lacks `more_than`; add it",
    "within_minutes: 1.5": "`within_minutes` is `1.5`; write a whole number from 1 to 10080",
    "per: everybody": "`per` is `everybody`; write one of `publisher`, `controller`",
    "severity: urgent": "`severity` is `urgent`; write one of `low`, `medium`, `high`, `critical`",
    "flow: {purpose: [x]}": "unknown field `purpose`; did you mean `purposes`?",
    "flow: {purposes: []}": "`purposes` is empty; name at least one or leave the field out",
    "flow: {purposes: [Sales]}": "`Sales` can't be a term; correct it",
    "flow: {kinds: [forbidden]}": "`forbidden` is not one of the kinds",
    "flow: {outcomes: [permit]}": "`permit` is not one of the outcomes; did you mean `permitted`?",
    "publishers: [CRM]": "`CRM` can't be one of the publishers; correct it",
    "controllers: [a b]": "`a b` can't be one of the controllers; correct it",
}
BY_READER_ALONE = {
    "flow: {recipients: [third_partie]}": "no vocabulary has the recipient `third_partie`; did you "
    "mean `third_party`?",
    "count: subjects\n    more_than: 10000": "`more_than` is 10000, but 10000 data subjects of a "
    "window are told apart",
}


def text_of(fault: str) -> str:
    """A file with that fault: a whole one, or a rule in which a field is as stated."""
    if fault.startswith("rule"):
        return fault
    name = fault.partition(":")[0]
    fields = [f"{each}: {value}" for each, value in SOUND.items() if f"{each}:" not in fault]
    assert name
    return "rules:\n  a:\n    " + "\n    ".join([*fields, fault])


def test_the_example_is_sound() -> None:
    """It fits the schema that it names, and the vocabularies of this repository have its terms."""
    first, *_ = EXAMPLE.read_text("utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=counting.schema.json"
    root = read_mapping(EXAMPLE, [])
    assert root is not None
    assert list(Draft202012Validator(SCHEMA).iter_errors(root.plain())) == []
    [bulk, disclosures, _] = load_rules(EXAMPLE, VOCABULARIES)
    assert (bulk.counted, bulk.more_than, bulk.window_seconds, bulk.per, bulk.severity) == (
        Counted.SUBJECTS,
        500,
        600,
        CountedPer.PUBLISHER,
        Severity.HIGH,
    )
    assert disclosures.pattern.as_json() == {
        "operations": ["share"],
        "outcomes": ["permitted"],
        "recipients": ["third_party"],
    }


def test_the_schema_is_sound() -> None:
    """It is a JSON Schema of draft 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("fault", [*FAULTY, *BY_READER_ALONE])
def test_faults_are_named(fault: str, tmp_path: Path) -> None:
    """Each with its line and what to do; the schema marks it in an editor as well."""
    file = tmp_path / "counting.yaml"
    file.write_text(text_of(fault), "utf-8")
    with pytest.raises(InvalidSourceError) as raised:
        load_rules(file, VOCABULARIES)

    message = (FAULTY | BY_READER_ALONE)[fault]
    assert any(error.message.startswith(message) for error in raised.value.errors)
    assert all(error.line for error in raised.value.errors)
    errors: list[SourceError] = []
    root = read_mapping(file, errors)
    assert root is not None
    by_schema = list(Draft202012Validator(SCHEMA).iter_errors(root.plain()))
    assert bool(by_schema) == (fault in FAULTY)


def test_without_vocabularies_any_term_is_taken(tmp_path: Path) -> None:
    """There is nothing to look it up in."""
    file = tmp_path / "counting.yaml"
    file.write_text(text_of("flow: {recipients: [third_partie]}"), "utf-8")
    [rule] = load_rules(file, {})
    assert rule.pattern.as_json() == {"recipients": ["third_partie"]}


def test_the_number_of_rules_is_bounded(tmp_path: Path) -> None:
    """Each costs time and memory."""
    rule = "{flow: {}, count: events, more_than: 1, within_minutes: 1}"
    file = tmp_path / "counting.yaml"
    file.write_text("rules:\n" + "".join(f"  a{number}: {rule}\n" for number in range(101)))
    with pytest.raises(InvalidSourceError, match="there are 101 rules; 100 is the limit"):
        load_rules(file, {})


def test_a_file_is_checked_before_it_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints every fault with its line, or a summary; its status says which."""
    assert check_rules([str(EXAMPLE), str(ROOT / "policies")]) == 0
    assert capsys.readouterr().out.startswith("good: 3 rules (bulk-support-reads, ")
    file = tmp_path / "counting.yaml"
    file.write_text(text_of("count: subject"), "utf-8")
    assert check_rules([str(file)]) == 1
    assert f"{file}:6: `count` is `subject`" in capsys.readouterr().err
    assert check_rules([]) == 2
