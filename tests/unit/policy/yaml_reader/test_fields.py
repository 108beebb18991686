"""Fields are read in their expected shape, and faults are reported with their location."""

from collections.abc import Callable
from pathlib import Path

import pytest

from purposewatch_policy.yaml_reader.fields import Fields
from purposewatch_policy.yaml_reader.source import SourceError, read_mapping

KNOWN = ("name", "count", "flag", "terms", "label", "nested")


def fields_of(tmp_path: Path, content: str) -> tuple[Fields, list[SourceError]]:
    path = tmp_path / "file.yaml"
    path.write_text(content, encoding="utf-8")
    errors: list[SourceError] = []
    node = read_mapping(path, errors)
    assert node is not None
    return Fields(node, KNOWN, "a thing", errors), errors


def test_stated_fields_are_returned(tmp_path: Path) -> None:
    """Each shape comes back as the value that the file states."""
    fields, errors = fields_of(
        tmp_path, "name: a\ncount: 3\nflag: true\nterms: [x, y]\nlabel: {en: A, zh-Hant: 甲}\n"
    )
    assert fields.text("name") == "a"
    assert fields.integer("count", 0, 9) == 3
    assert fields.flag("flag")
    assert [each.text for each in fields.names("terms") or ()] == ["x", "y"]
    assert fields.labels("label") == {"en": "A", "zh-Hant": "甲"}
    assert not errors


def test_null_counts_as_absent(tmp_path: Path) -> None:
    """A field that is null reads like one that is left out."""
    fields, errors = fields_of(tmp_path, "name: null\nterms:\ncount: ~\n")
    assert (
        fields.text("name"),
        fields.names("terms"),
        fields.integer("count", 0, 9),
    ) == ("", None, None)
    assert not fields.states("name")
    assert not errors


@pytest.mark.parametrize(
    ("content", "use", "expected"),
    [
        ("nam: a", lambda _: None, "unknown field `nam`; did you mean `name`?"),
        ("flag: true", lambda f: f.text("name", required=True), "a thing lacks `name`; add it"),
        ("name: ' '", lambda f: f.text("name", required=True), "`name` is empty; fill it in"),
        ("name: [a]", lambda f: f.text("name"), "`name` must be a single value"),
        (
            "name: A",
            lambda f: f.name("name", "[a-z]+", "abc"),
            "`name` is `A`; write a name such as `abc`",
        ),
        (
            "count: 10",
            lambda f: f.integer("count", 0, 9),
            "`count` is `10`; write a whole number from 0 to 9, unquoted",
        ),
        (
            "count: true",
            lambda f: f.integer("count", 0, 9),
            "`count` is `true`; write a whole number from 0 to 9, unquoted",
        ),
        ("flag: yes", lambda f: f.flag("flag"), "`flag` must be `true` or `false`"),
        ("terms: a", lambda f: f.names("terms"), "`terms` must be a list such as `[a, b]`"),
        (
            "terms: []",
            lambda f: f.names("terms"),
            "`terms` is empty; name at least one or leave the field out",
        ),
        ("terms: [[a]]", lambda f: f.names("terms"), "an item of `terms` must be a single value"),
        (
            "terms: [a, a]",
            lambda f: f.names("terms"),
            "`terms` names `a` twice; keep one of them",
        ),
        ("nested: 1", lambda f: f.mapping("nested"), "`nested` must be a mapping of fields"),
        (
            "label: {English: A}",
            lambda f: f.labels("label"),
            "`English` is not a language tag; write one such as `en` or `zh-Hant`",
        ),
        (
            "label: {en: a}",
            lambda f: f.names_by_language("label"),
            "`en` must be a list such as `[a, b]`",
        ),
        (
            "label: {English: [a]}",
            lambda f: f.names_by_language("label"),
            "`English` is not a language tag; write one such as `en` or `zh-Hant`",
        ),
        ("label: {en: ''}", lambda f: f.labels("label"), "the label in `en` must be a text"),
    ],
)
def test_fault_is_reported(
    tmp_path: Path, content: str, use: Callable[[Fields], object], expected: str
) -> None:
    """A field that is not as expected adds one error that says what to do."""
    fields, errors = fields_of(tmp_path, content)
    use(fields)
    assert [expected] == [error.message for error in errors]
    assert [error.line for error in errors] == [1]
