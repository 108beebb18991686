"""Timestamps are RFC 3339 with a zone, and nothing else."""

from datetime import UTC, datetime

import pytest

from purposewatch_policy.yaml_reader.fields import parse_timestamp


@pytest.mark.parametrize(
    "text",
    ["2018-05-25T00:00:00+08:00", "2018-05-24T16:00:00Z", "2018-05-24 16:00:00.000z"],
)
def test_moment_is_read_in_utc(text: str) -> None:
    """Every notation of a timestamp gives the same time."""
    assert datetime(2018, 5, 24, 16, tzinfo=UTC) == parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2018-05-25T00:00:00", "lacks a time zone"),
        ("2018-05-25", "is not a timestamp"),
        ("20180525T000000Z", "is not a timestamp"),
        ("2018-W21-5T00:00:00Z", "is not a timestamp"),
        ("2018-13-25T00:00:00Z", "is not a timestamp"),
        ("0001-01-01T00:00:00+08:00", "is not a timestamp"),
        ("soon", "is not a timestamp"),
    ],
)
def test_other_notations_are_refused(text: str, reason: str) -> None:
    """What is ambiguous or out of range is rejected with advice."""
    with pytest.raises(ValueError, match=reason):
        parse_timestamp(text)
