"""Reading and checking mapping files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from purposewatch_connect.mapping import Mapping, lint_mapping, load_mapping
from purposewatch_policy import InvalidSourceError
from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_policy.yaml_reader import SourceError, read_mapping

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted((ROOT / "connectors" / "examples").glob("*mapping*.yaml"))
SCHEMA = json.loads(
    (ROOT / "connectors" / "schema" / "mapping.schema.json").read_text(encoding="utf-8")
)
VOCABULARIES = load_vocabularies(ROOT / "policies")

Loader = Callable[[str], Mapping]

FAULTY = {
    "publisher: Query Log": "`publisher` is `Query Log`; write a name such as `query-log`",
    "service: {}": "unknown field `service`; did you mean `services`?",
    "services: {a: {rle: member}}": "unknown field `rle`; did you mean `role`?",
    "datasets: {a: {}}": "the rule names no data categories; add `categories` or `columns`, or "
    "`personal: false`",
    "hosts: {a: {recipient: x}}": "the rule names no data categories; add `categories`, or "
    "`personal: false`",
    "datasets: {a: {personal: false, categories: [user]}}": "`personal: false` excludes "
    "`categories` and `columns`; keep one of them",
    "datasets: {a: {columns: {email: }}}": "`email` must be a data category, a list of them, or "
    "`not_personal`",
    "datasets: {a: {categories: [User.Name]}}": "`User.Name` is not a term; write lower-case words "
    "joined by dots",
    "datasets: {a: {personal: false}, A: {personal: false}}": "`A` is the same as `a`, since case "
    "is ignored; keep one",
    "defaults: {subject: {}}": "the subject is empty; name an `attribute`, a `column` or a `group`",
    "defaults: {operations: {reed: use}}": "unknown field `reed`; did you mean `read`?",
    "defaults: {retention_days: -1}": "`retention_days` is `-1`; write a whole number from 0 to "
    "36525, unquoted",
    "defaults: {sheds: [hashed]}": "`hashed` is unknown; write `masked`, `aggregated` or `nothing`",
    "attributes: {a: {b: {columns: {c: user}}}}": "unknown field `columns`",
}
BY_LOADER_ALONE = {
    "datasets: {a: {personal: false, categories: [user]}}",
    "datasets: {a: {personal: false}, A: {personal: false}}",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_sound(path: Path) -> None:
    """They fit the schema that they name, and the vocabulary of this repository has their terms."""
    first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=../schema/mapping.schema.json"
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    assert root is not None
    assert list(Draft202012Validator(SCHEMA).iter_errors(root.plain())) == []
    assert lint_mapping(load_mapping(path), VOCABULARIES) == ()


def test_schema_is_sound() -> None:
    """It is a JSON Schema of draft 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("text", "message"), FAULTY.items(), ids=range(len(FAULTY)))
def test_faults_are_named(text: str, message: str, mapping_of: Loader, tmp_path: Path) -> None:
    """Each with its line and what to do; the schema marks it in an editor as well."""
    lines = text if text.startswith("publisher") else f"publisher: a\n{text}"
    with pytest.raises(InvalidSourceError) as raised:
        mapping_of(lines)

    assert any(error.message.startswith(message) for error in raised.value.errors)
    assert all(error.line for error in raised.value.errors)
    errors: list[SourceError] = []
    root = read_mapping(tmp_path / "mapping.yaml", errors)
    assert root is not None
    if text not in BY_LOADER_ALONE:
        assert list(Draft202012Validator(SCHEMA).iter_errors(root.plain()))


def lint(text: str, mapping_of: Loader) -> list[str]:
    return [f"{each.line}: {each.message}" for each in lint_mapping(mapping_of(text), VOCABULARIES)]


def test_lint_looks_every_term_up(mapping_of: Loader) -> None:
    """In the vocabulary of the rule's controller, with the term that is most like it."""
    text = """\
        publisher: a
        defaults: {controller: wework-labs, role: memberr, subject: {group: all}}
        services:
          crm: {purpose: essential.servce}
        datasets:
          t:
            operations: {read: reed}
            columns: {c: [user.nam, user.contact.email]}
            facts: {consent.marketng: true}
        """
    assert lint(text, mapping_of) == [
        "2: `memberr` is an unknown role; did you mean `member`?",
        "4: `essential.servce` is an unknown purpose; did you mean `essential.service`?",
        "7: `reed` is an unknown operation; look it up with `purposewatch vocabulary search`",
        "8: `user.nam` is an unknown data category; did you mean `user.name`?",
        "9: `consent.marketng` is an unknown fact; did you mean `consent.marketing`?",
    ]


def test_lint_uses_the_vocabulary_of_the_rules_own_controller(mapping_of: Loader) -> None:
    """A role of another controller is unknown there."""
    text = """\
        publisher: a
        defaults: {controller: wework-labs, subject: {group: all}}
        services:
          a: {controller: linggan-house, role: member}
          b: {role: member}
          c: {controller: linggan-hose}
        """
    assert [line.split(";")[0] for line in lint(text, mapping_of)] == [
        "4: `member` is an unknown role",
        "6: `linggan-hose` is an unknown controller",
    ]


def test_lint_reports_datasets_whose_subject_nobody_states(mapping_of: Loader) -> None:
    """None of their accesses could ever be published."""
    text = """\
        publisher: a
        defaults: {controller: wework-labs}
        datasets:
          a: {categories: [user]}
          b: {categories: [user], subject: {column: id}}
          c: {personal: false}
        """
    assert lint(text, mapping_of) == [
        "4: no rule says where the data subject is found; add `subject` here or in `defaults`"
    ]


def test_what_sheds_categories_is_stated_for_datasets_and_by_default(mapping_of: Loader) -> None:
    """What is not stated is left to the defaults."""
    mapping = mapping_of(
        """\
        publisher: a
        defaults: {sheds: [masked, aggregated]}
        datasets:
          a: {categories: [user], sheds: [nothing]}
          b: {categories: [user]}
        """
    )
    assert mapping.defaults.sheds == ("masked", "aggregated")
    assert [rule.sheds for _, rule in mapping.datasets] == [("nothing",), None]
