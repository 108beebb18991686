"""CloudEvents content modes."""

import json
from collections.abc import Callable

import pytest

from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.content_modes import (
    MAX_ATTRIBUTES,
    ContentMode,
    content_mode,
    event_in_record,
    events_in_request,
    http_attributes,
    kafka_attributes,
)


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        ("application/cloudevents+json", ContentMode.STRUCTURED),
        ("Application/CloudEvents+JSON; charset=UTF-8", ContentMode.STRUCTURED),
        ('application/cloudevents-batch+json;charset="utf-8"', ContentMode.BATCHED),
        ("application/json", ContentMode.BINARY),
        ("application/json; charset=utf-16", None),
        ("application/cloudevents+xml", None),
        ("text/plain", None),
        ("", None),
        (";;;=", None),
    ],
)
def test_content_type_names_the_mode(content_type: str, mode: ContentMode | None) -> None:
    """The media type decides; any encoding but UTF-8 is not accepted."""
    assert mode is content_mode(content_type)


def test_http_attributes_are_percent_decoded() -> None:
    """Names are of any case, values are unquoted first and percent-decoded second."""
    headers = [
        (b"CE-Id", b"e%2D1"),
        (b"ce-source", b'"/crm/\\a%20b"'),
        (b"ce-city", b"Z%C3%BCrich"),
        (b"content-type", b"application/json"),
    ]
    expected = {"id": "e-1", "source": "/crm/a b", "city": "Zürich"}
    assert expected == http_attributes(headers)


def test_kafka_attributes_are_utf_8() -> None:
    """Names begin with `ce_`, values are taken as they are; other headers are ignored."""
    headers = [("ce_id", b"e-1"), ("ce_city", "Zürich".encode()), ("x", b"\xff"), ("ce_y", None)]
    assert kafka_attributes(headers) == {"id": "e-1", "city": "Zürich", "y": ""}


@pytest.mark.parametrize(
    "read",
    [
        lambda: http_attributes([(b"ce-id", b"%FF")]),
        lambda: http_attributes([(b"ce-id", b"1"), (b"ce-id", b"2")]),
        lambda: http_attributes([(b"ce-bad_name", b"1")]),
        lambda: http_attributes([(b"ce-", b"1")]),
        lambda: http_attributes([(b"ce-data", b"{}")]),
        lambda: http_attributes([(b"ce-x%d" % n, b"1") for n in range(MAX_ATTRIBUTES + 1)]),
        lambda: kafka_attributes([("ce_id", b"\xff")]),
        lambda: kafka_attributes([("ce_id", b"1"), ("ce_id", b"1")]),
        lambda: kafka_attributes([("ce_ID", b"1")]),
        lambda: kafka_attributes([("ce_\x1b[31m", b"1")]),
    ],
)
def test_faulty_attributes_are_refused_without_quoting_them(read: Callable[[], object]) -> None:
    """A header that can't be an attribute refuses the event."""
    with pytest.raises(RefusedError) as raised:
        read()
    assert str(raised.value).isprintable()


def test_binary_event_is_as_if_structured() -> None:
    """Attributes and content make one object; content can't add attributes."""
    [event] = events_in_request(ContentMode.BINARY, [(b"ce-id", b"%22%C3%A9")], b'{"a": 1}')
    assert json.loads(event) == {"id": '"é', "data": {"a": 1}}
    headers = [("content-type", b"application/json"), ("ce_id", b"1")]
    assert json.loads(event_in_record(headers, b"[]")) == {"id": "1", "data": []}
    for content in (b'{"a": 1}, "source": "/crm"', b"", b'1, "id": "2"', b"1} {"):
        with pytest.raises(RefusedError):
            events_in_request(ContentMode.BINARY, [(b"ce-id", b"1")], content)


def test_batch_must_be_an_array() -> None:
    """A batch is an array, possibly empty; its events keep their texts and order."""
    batch = ContentMode.BATCHED
    assert events_in_request(batch, [], b"[]") == []
    assert events_in_request(batch, [], b'[{"b": 1.0}, 2]') == [b'{"b": 1.0}', b"2"]
    with pytest.raises(RefusedError, match="must be a JSON array"):
        events_in_request(batch, [], b"{}")
    with pytest.raises(RefusedError, match="not valid JSON"):
        events_in_request(batch, [], b"[1,]")
