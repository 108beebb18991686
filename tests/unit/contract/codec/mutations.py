"""JSON texts near a valid message: unchanged, with a few changed values, or with broken bytes."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

_TEXTS = st.sampled_from(
    [
        "",
        "a",
        "a.b",
        "A",
        "user.contact.email",
        "user.name\n",
        "user.name\r",
        "\nuser.name",
        "user..name",
        "user.name.",
        "ü.name",
        "user.\u0661",
        "x" * 128,
        "x" * 129,
        "http",
        "http\n",
        "data-access.raw/3/17",
        "a/1/" + "1" * 296,
        "a/1/" + "1" * 297,
        "/crm",
        "/crm/a/b/c/d",
        "/crm/a/b/c/d/e",
        "crm",
        "crm\n",
        "None",
        "null",
        "true",
        "1",
        "1.0",
        '"',
        "\\",
        "\u0000",
        "\ud7ff",
        "\U0001f600",
        "9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8",
        "9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8\n",
        "9F2C1D7E5B8A4036C1E2F3A4B5C6D7E8",
        "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350",
        "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350\n",
        "psn::3f5a9c0e7b1d48266a4f8e2b9d7c1350",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
        "permitted",
        "Permitted",
        "violation",
        "prohibited",
        "omitted",
        "recipient",
        "application/json",
        "purposewatch.data_access.v1",
    ]
)
_TIMES = st.sampled_from(
    [
        "2026-03-02T08:15:00Z",
        "2026-03-02T08:15:00.5Z",
        "2026-03-02T08:15:00.123456Z",
        "2026-03-02T08:15:00.1234567Z",
        "2026-03-02T08:15:00.9999999Z",
        "2026-03-02t08:15:00z",
        "2026-03-02 08:15:00Z",
        "2026-03-02_08:15:00Z",
        "2026-03-02T08:15Z",
        "2026-03-02T08:15:00",
        "2026-03-02T08:15:00,5Z",
        "2026-03-02T08:15:00+08:00",
        "2026-03-02T08:15:00+0800",
        "2026-03-02T08:15:00+08",
        "2026-03-02T08:15:00-00:00",
        "2026-03-02T08:15:00+24:00",
        "2026-03-02T08:15:60Z",
        "2026-12-31T23:59:60Z",
        "2026-03-02T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.9999999Z",
        "2026-W10-1T08:15:00Z",
        "20260302T081500Z",
        "2026-03-02T08:15:00Z\n",
        " 2026-03-02T08:15:00Z",
        "2026-03-0\u0662T08:15:00Z",
        "2026-03-02",
        "1772438400",
    ]
)
_NUMBERS = st.sampled_from(
    [
        0,
        -1,
        1,
        2,
        365,
        36_525,
        36_526,
        2**31,
        2**63 - 1,
        2**63,
        2**64,
        2**70,
        10**400,
        1.0,
        1.5,
        -0.0,
    ]
) | st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = _TEXTS | _TIMES | _NUMBERS | st.booleans() | st.none() | st.text(max_size=8)
VALUES = (
    _SCALARS
    | st.lists(_SCALARS, max_size=3)
    | st.dictionaries(_TEXTS, _SCALARS, max_size=3)
    | st.lists(st.just("user.name"), min_size=1, max_size=66)
    | st.integers(1, 66).map(lambda count: [f"c{number}" for number in range(count)])
    | st.integers(1, 40).map(lambda count: {f"f{number}": True for number in range(count)})
)


@st.composite
def texts(draw: st.DrawFn, valid: Mapping[str, Any]) -> bytes:
    """A JSON text made from the valid message by up to three changes."""
    document = deepcopy(dict(valid))
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, document)
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    text = json.dumps(document, separators=separators, ensure_ascii=draw(st.booleans()))
    encoded = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        encoded = _break(draw, encoded)
    return encoded


def _change(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """Replace or remove a value, or add an unknown field."""
    holder: Any = draw(st.sampled_from(list(_holders(document))))
    if isinstance(holder, list):
        if len(holder) > 0 and draw(st.booleans()):
            holder[draw(st.integers(0, len(holder) - 1))] = draw(VALUES)
        else:
            holder.append(draw(VALUES))
        return
    names = sorted(holder)
    act = draw(st.sampled_from(["set", "set", "set", "remove", "add", "move"]))
    if act == "add" or not names:
        holder[draw(_TEXTS)] = draw(VALUES)
        return
    name = draw(st.sampled_from(names))
    if act == "set":
        with_time = "time" in name and draw(st.booleans())
        holder[name] = draw(_TIMES) if with_time else draw(VALUES)
    else:
        value = holder.pop(name)
        if act == "move":
            holder[name] = value


def _holders(value: Any) -> Any:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


_PIECES = st.sampled_from(
    [
        b"",
        b" ",
        b"\n",
        b'"',
        b",",
        b"\\u0041",
        b"\\ud800",
        b"\\ud83d\\ude00",
        b"\xed\xa0\x80",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"NaN",
        b"01",
        b"1e400",
        b'"id":"x",',
        b',"subject":"psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350"',
        b',"subject":"psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350"}',
        b'},"data":{',
        b'},"outcome":"permitted"',
        b',"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"',
        b'"facts":{},',
        b"}",
        b"{",
        b"[" * 300,
    ]
)


def _break(draw: st.DrawFn, text: bytes) -> bytes:
    """Replace some bytes with a piece."""
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(_PIECES) + text[start + draw(st.integers(0, 3)) :]
