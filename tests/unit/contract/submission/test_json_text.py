"""Reading JSON text."""

import pytest

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import RefusedError, parse_json


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"not json", "valid JSON"),
        (b"{", "valid JSON"),
        (b"{} {}", "valid JSON"),
        (b"\xef\xbb\xbf{}", "valid JSON"),
        (b'{"a": NaN}', "valid JSON"),
        (b'{"a": -Infinity}', "valid JSON"),
        (b'{"a": "\n"}', "valid JSON"),
        (b'{"a": "\\ud800"}', "valid JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "digits"),
        (b'{"secret": 1, "secret": 2}', "twice"),
        (b'{"data": {"role": "a", "role": "a"}}', "twice"),
    ],
)
def test_what_is_no_json_is_refused_without_quoting_it(text: bytes, word: str) -> None:
    """The refusal says what and where, and nothing of the text."""
    with pytest.raises(RefusedError) as raised:
        parse_json(text)
    assert raised.value.error_class is ErrorClass.NOT_JSON
    assert word in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("text", [b"", b" \n"])
def test_nothing_is_refused_as_empty(text: bytes) -> None:
    """Empty content has a class of its own."""
    with pytest.raises(RefusedError) as raised:
        parse_json(text)
    assert raised.value.error_class is ErrorClass.EMPTY


def test_values_are_read() -> None:
    """A valid text gives its plain values."""
    assert parse_json(b'{"a": [1, 1.5, null, true, "\\ud83d\\ude00"]}') == {
        "a": [1, 1.5, None, True, "\U0001f600"]
    }
