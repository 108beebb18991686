"""The JSON Schemas that editors complete and check policy, vocabulary and case files by."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from purposewatch_policy.cases import read as cases
from purposewatch_policy.decision import Dimension, Grade, Kind, Outcome
from purposewatch_policy.files import policy_file, retention
from purposewatch_policy.files.directory import load_policies
from purposewatch_policy.flow import (
    CONTROLLER_PATTERN,
    MAX_DATA_CATEGORIES,
    MAX_FACTS,
    MAX_RETENTION_DAYS,
    MAX_TERM_LENGTH,
    TERM_PATTERN,
    Flow,
)
from purposewatch_policy.model import Effect, Mode
from purposewatch_policy.vocabulary import NOUNS
from purposewatch_policy.vocabulary import load as vocabulary_files
from purposewatch_policy.yaml_reader.source import SourceError, read_mapping

ROOT = Path(__file__).parents[4]
SCHEMAS = ROOT / "policies" / "schema"
SHIPPED = sorted(ROOT.glob("policies/*/*.yaml"))
SAMPLES = ROOT / "tests" / "unit" / "policy"
FAULTS = sorted(path for path in (SAMPLES / "broken").iterdir() if path.is_dir())

BEYOND_A_SCHEMA = {
    # not the plain YAML that is read at all
    "alias",
    "duplicate_field",
    "empty_file",
    "no_mapping",
    "not_yaml",
    "tag",
    "two_documents",
    # the name or the place of the file, or other files
    "controller_without_policy",
    "further_file_faults",
    "further_file_never_read",
    "misnamed_policy_file",
    "no_live_version",
    "open_ended_version_overlaps",
    "other_controller",
    "overlapping_versions",
    "replaced_twice",
    "replaces_ended_version",
    "replaces_later_version",
    "replaces_unknown_version",
    "version_named_twice",
    "vocabulary_duplicate_across_files",
    "vocabulary_duplicate_term",
    "wrong_suffix",
    # one part of the file against another
    "defined_term_cycle",
    "defined_term_of_two_dimensions",
    "duplicate_statement_id",
    "fact_when_and_unless",
    "retention_without_length",
    "unknown_defined_term",
    "unknown_section",
    "until_before_from",
    # the vocabulary
    "except_everything",
    "except_nothing",
    "unknown_purpose",
    "unknown_terms_of_every_kind",
    "vocabulary_cycle",
    "vocabulary_missing_explicit_parent",
    "vocabulary_missing_parent",
    # the calendar
    "impossible_date",
}
"""Faults that only the loader can find. Every other one has to be found by a schema as well."""


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return loaded


def kind_of(path: Path) -> str | None:
    """Which schema a file answers to, if it is one that is read."""
    if path.name == "cases.yaml":
        return "cases"
    if path.match("policy*.yaml"):
        return "policy"
    is_read = path.name == "vocabulary.yaml" or path.parent.name == "vocabulary"
    return "vocabulary" if is_read else None


def faults(path: Path) -> list[str]:
    """What the schema finds wrong in a file, read as an editor reads it."""
    errors: list[SourceError] = []
    kind = kind_of(path)
    root = read_mapping(path, errors)
    if kind is None or root is None or errors:
        return []
    validator = Draft202012Validator(schema(kind))
    return [error.message for error in validator.iter_errors(root.plain())]


@pytest.mark.parametrize("name", ["policy", "vocabulary", "cases"])
def test_schema_is_sound(name: str) -> None:
    """It is a JSON Schema of draft 2020-12."""
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_file_names_its_schema_and_fits_it(path: Path) -> None:
    """The first line leads an editor to the schema, and the schema finds no fault."""
    first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert f"# yaml-language-server: $schema=../schema/{kind_of(path)}.schema.json" == first
    assert (path.parent / first.partition("=")[2]).is_file()
    assert faults(path) == []


@pytest.mark.parametrize(
    "path", sorted((SAMPLES / "sound").glob("*/*.yaml")), ids=lambda path: path.name
)
def test_what_the_loader_reads_fits_the_schema(path: Path) -> None:
    """The sound sample has no fault either."""
    assert faults(path) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.name)
def test_structural_faults_are_found_by_the_schema(fault: Path) -> None:
    """An editor marks what the loader would refuse, unless it takes more than one file's form."""
    found = [message for path in fault.glob("*/*.yaml") for message in faults(path)]
    assert (fault.name not in BEYOND_A_SCHEMA) == bool(found), found


def test_schemas_do_not_disturb_the_loader() -> None:
    """The directory of the schemas is neither a controller nor a fault."""
    assert load_policies(ROOT / "policies").controllers == ("linggan-house", "wework-labs")


def test_schemas_know_the_loaders_fields() -> None:
    """A field that the loader learns or forgets has to be added to or removed from the schema."""
    policy, vocabulary, case_file = schema("policy"), schema("vocabulary"), schema("cases")
    defined_term = policy["properties"]["defined_terms"]["additionalProperties"]
    accepted = policy["$defs"]["statement"]["properties"]["accepted_findings"]
    statement = policy["$defs"]["statement"]
    permit, prohibition = (statement[each]["properties"] for each in ("else", "then"))
    outcomes = case_file["$defs"]["expect"]["oneOf"]
    known = {
        "policy": (policy, policy_file._POLICY_FIELDS),
        "document": (policy["properties"]["document"], policy_file._DOCUMENT_FIELDS),
        "defined term": (defined_term, policy_file._DEFINED_TERM_FIELDS),
        "statement": (statement, policy_file._STATEMENT_FIELDS),
        "except": (statement["properties"]["except"], policy_file._EXCEPT_FIELDS),
        "retention of a permit": (permit["retention_days"], retention._ON_PERMIT),
        "retention of a prohibition": (prohibition["retention_days"], retention._ON_PROHIBITION),
        "accepted finding": (accepted["items"], policy_file._ACCEPTED_FINDING_FIELDS),
        "vocabulary": (vocabulary, NOUNS),
        "term": (vocabulary["$defs"]["term"], vocabulary_files._TERM_FIELDS),
        "case file": (case_file, cases._FILE_FIELDS),
        "defaults": (case_file["properties"]["defaults"], cases._DEFAULT_FIELDS),
        "case": (case_file["$defs"]["case"], cases._CASE_FIELDS),
        "flow": (case_file["$defs"]["flow"], Flow.model_fields),
        **{
            each["title"]: (each, cases._EXPECT_FIELDS[Outcome(each["title"])]) for each in outcomes
        },
    }
    for what, (described, fields) in known.items():
        assert (what, set(fields)) == (what, set(described["properties"]))
    assert set(Outcome) == {each["title"] for each in outcomes}


def test_schemas_know_the_loaders_words_and_bounds() -> None:
    """Enumerations, patterns and bounds are the loader's."""
    policy, vocabulary, case_file = schema("policy"), schema("vocabulary"), schema("cases")
    expect = case_file["$defs"]["expect"]["properties"]
    statement = policy["$defs"]["statement"]["properties"]
    assert list(Effect) == statement["effect"]["enum"]
    assert list(Mode) == policy["properties"]["mode"]["enum"]
    assert list(Outcome) == expect["outcome"]["enum"]
    assert list(Kind) == expect["kind"]["enum"]
    assert list(Grade) == expect["grade"]["enum"]
    assert list(Dimension) == expect["failed"]["items"]["enum"]
    assert f"^{policy_file._CLAUSE}$" == statement["clause"]["pattern"]
    accepted = statement["accepted_findings"]["items"]["properties"]
    assert f"^{policy_file._RULE}$" == accepted["rule"]["pattern"]
    assert (
        f"^{policy_file._SECTION}$" == policy["properties"]["sections"]["propertyNames"]["pattern"]
    )
    assert policy["$defs"]["days"]["maximum"] == MAX_RETENTION_DAYS
    assert vocabulary["$defs"]["name"]["maxLength"] == MAX_TERM_LENGTH
    flow = case_file["$defs"]["flow"]["properties"]
    assert flow["data_categories"]["maxItems"] == MAX_DATA_CATEGORIES
    assert flow["facts"]["maxProperties"] == MAX_FACTS
    for each in (policy, case_file):
        assert each["properties"]["controller"]["pattern"] == CONTROLLER_PATTERN
    names = (policy["$defs"]["term"], vocabulary["$defs"]["name"], case_file["$defs"]["term"])
    assert {TERM_PATTERN} == {each["pattern"] for each in names}


def descriptions(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(text := node.get("description"), str):
            yield text
        for value in node.values():
            yield from descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from descriptions(value)


@pytest.mark.parametrize("name", ["policy", "vocabulary", "cases"])
def test_descriptions_are_short_enough_for_a_tooltip(name: str) -> None:
    """An editor shows them beside the field."""
    assert [text for text in descriptions(schema(name)["properties"]) if len(text) > 100] == []
