"""A subset of YAML is read, with the location of every value."""

from pathlib import Path

import pytest

from purposewatch_policy.yaml_reader import source as yaml_source
from purposewatch_policy.yaml_reader.source import (
    InvalidSourceError,
    ListNode,
    Location,
    MappingNode,
    ScalarNode,
    SourceError,
    read_mapping,
)


def read(tmp_path: Path, content: str | bytes) -> tuple[MappingNode | None, list[str]]:
    path = tmp_path / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    errors: list[SourceError] = []
    node = read_mapping(path, errors)
    return node, [str(error).removeprefix(f"{tmp_path}/") for error in errors]


def test_every_node_knows_its_line_and_column(tmp_path: Path) -> None:
    """Keys, scalars, lists and nested mappings carry the place where they begin."""
    node, errors = read(tmp_path, "a: 1\nb:\n  - x\n  - {c: y}\n")
    path = str(tmp_path / "file.yaml")
    assert not errors
    assert node is not None
    assert Location(path, 2, 1) == node.key_at["b"]
    listed = node.entries["b"]
    assert isinstance(listed, ListNode)
    assert Location(path, 3, 3) == listed.at
    inner = listed.items[1]
    assert isinstance(inner, MappingNode)
    assert Location(path, 4, 9) == inner.entries["c"].at


def test_only_plain_json_words_have_a_meaning(tmp_path: Path) -> None:
    """Null, true, false and integers are values when unquoted; everything else is text."""
    node, _ = read(
        tmp_path,
        "a: null\nb: ~\nc:\nd: true\ne: 12\nf: '12'\ng: no\nh: 1.10\n"
        "i: 2018-05-25\nj: 012\nk: ''\n",
    )
    assert node is not None
    expected = {
        "a": None,
        "b": None,
        "c": None,
        "d": True,
        "e": 12,
        "f": "12",
        "g": "no",
        "h": "1.10",
        "i": "2018-05-25",
        "j": "012",
        "k": "",
    }
    assert expected == node.plain()


def test_duplicate_keys_are_all_reported(tmp_path: Path) -> None:
    """Each repeated key is a fault, the first value stays, and reading continues."""
    node, errors = read(tmp_path, "a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert node is not None
    assert node.plain() == {"a": 1, "b": {"c": 1}}
    expected = [
        "file.yaml:2: `a` is already in line 1; keep one of them",
        "file.yaml:3: `c` is already in line 3; keep one of them",
    ]
    assert expected == errors


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: &x 1\n", "file.yaml:1: `x`: anchors and aliases are not supported; repeat the value"),
        ("a: *x\n", "file.yaml:1: `x`: anchors and aliases are not supported; repeat the value"),
        ("a: !!int 1\n", "file.yaml:1: tags are not supported; write the plain value"),
        ("a: 1\n---\nb: 1\n", "file.yaml:2: a second document starts here; use one file for each"),
        ("", "file.yaml: the file must be a mapping of fields; write `field: value` lines"),
        ("- a\n", "file.yaml:1: the file must be a mapping of fields; write `field: value` lines"),
        ("[a]: 1\n", "file.yaml:1: a key must be text; quote it if it has brackets"),
        ("a: \x01\n", "file.yaml:1: not valid YAML: a control character; remove it"),
        (b"a: 1\nb: \xff\n", "file.yaml:2: is not UTF-8; save the file in that encoding"),
        (
            "a: " + "[" * 40 + "]" * 40,
            "file.yaml:1: is nested deeper than 32 levels; flatten it",
        ),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, content: str | bytes, expected: str) -> None:
    """Everything beyond plain YAML is one clear error at its line."""
    _, errors = read(tmp_path, content)
    assert [expected] == errors


def test_syntax_error_points_at_its_line(tmp_path: Path) -> None:
    """A syntax error gives no tree and one error with its line."""
    node, errors = read(tmp_path, "a: 1\nb: [1, 2\nc: 3\n")
    assert node is None
    assert len(errors) == 1
    assert errors[0].startswith("file.yaml:3: not valid YAML: ")


def test_oversize_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above the limit is refused before it is parsed."""
    monkeypatch.setattr(yaml_source, "MAX_BYTES", 1024 * 1024)
    _, errors = read(tmp_path, b"#" * (1024 * 1024 + 1))
    assert errors == ["file.yaml: is larger than 1 MiB; divide it into several files"]


def test_missing_file_is_an_error_without_a_line(tmp_path: Path) -> None:
    """A file that cannot be opened is reported by its path and the reason."""
    errors: list[SourceError] = []
    path = tmp_path / "missing.yaml"
    node = read_mapping(path, errors)
    assert node is None
    assert [f"{path}: cannot be read: no such file or directory"] == [str(each) for each in errors]


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """A file that an editor began with a byte order mark reads as if it had none."""
    node, _ = read(tmp_path, b"\xef\xbb\xbfa: 1\n")
    assert node is not None
    assert node.plain() == {"a": 1}


def test_faults_are_raised_together_in_order() -> None:
    """The exception lists each fault once, sorted by location."""
    late, early = SourceError("f", 10, 1, "late"), SourceError("f", 9, 1, "early")
    raised = InvalidSourceError([late, early, late])
    assert (early, late) == raised.errors
    assert str(raised) == "f:9: early\nf:10: late"


def test_quoted_null_is_text() -> None:
    """Quoting makes any word a text."""
    assert not ScalarNode("null", quoted=True, at=Location("f")).is_null
