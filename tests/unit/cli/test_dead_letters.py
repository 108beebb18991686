"""How letters are named and chosen, and what of them is shown."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord

from purposewatch_cli.dead_letters.actions import (
    DeadLetterActions,
    NotReplayableError,
    check_replayable,
)
from purposewatch_cli.dead_letters.letters import Filter, Letter, LetterPosition
from purposewatch_cli.dead_letters.shown import as_json
from purposewatch_cli.times import parse_time
from purposewatch_contract import EXAMPLE_DIR, DeadLetter, DeadLetterAction, ErrorClass
from purposewatch_runtime.settings import KafkaSettings
from purposewatch_runtime.signing import Verifier, load_trusted_keys
from tests.harness.signing_keys import SigningKeys

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EXAMPLE = DeadLetter.model_validate_json((EXAMPLE_DIR / "dead-letter.json").read_bytes())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-03-02T08:15:00Z", datetime(2026, 3, 2, 8, 15, tzinfo=UTC)),
        ("2026-03-02T08:15:00+08:00", datetime(2026, 3, 2, 0, 15, tzinfo=UTC)),
    ],
)
def test_times_are_absolute_or_ago(text: str, expected: datetime) -> None:
    """A time has a zone, or says how long ago it was."""
    assert expected == parse_time(text, NOW)


@pytest.mark.parametrize("text", ["", "now", "90", "2026-03-02T08:15:00", "5w"])
def test_times_without_a_zone_are_refused(text: str) -> None:
    """What could mean several instants is refused with what to write."""
    with pytest.raises(ValueError, match="with its zone"):
        parse_time(text, NOW)


@pytest.mark.parametrize("text", ["", "1", "1/", "/1", "-1/2", "a/b", "1/2/3", "1 / 2"])
def test_places_are_partition_and_offset(text: str) -> None:
    """Anything but `partition/offset` is refused; that itself reads as it is written."""
    assert str(LetterPosition.parse("2/17")) == "2/17"
    with pytest.raises(ValueError, match="partition/offset"):
        LetterPosition.parse(text)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(), True),
        (Filter(error_class=ErrorClass.NOT_JSON, consumer="ingest"), True),
        (Filter(error_class=ErrorClass.EMPTY), False),
        (Filter(topic="raw"), True),
        (Filter(topic="data-access.raw"), True),
        (Filter(topic="access.raw"), False),
        (Filter(topic="events"), False),
        (Filter(since=EXAMPLE.failed_time), True),
        (Filter(until=EXAMPLE.failed_time), False),
    ],
)
def test_everything_given_must_match(chosen: Filter, *, expected: bool) -> None:
    """A filter lets through what fits all its parts; `since` includes its instant."""
    assert chosen.matches(EXAMPLE) is expected


def test_payload_is_left_out_unless_asked_for() -> None:
    """Sizes and names of headers are shown, key, value and headers' values are not."""
    quiet = as_json(Letter(LetterPosition(0, 4), EXAMPLE), payload=False)
    loud = as_json(Letter(LetterPosition(0, 4), EXAMPLE), payload=True)

    assert not {"key", "value", "raw", "headers"} & set(quiet)
    assert (quiet["key_bytes"], quiet["value_bytes"]) == (None, 8)
    assert "bm90IGpzb24=" not in json.dumps(quiet)
    assert (loud["key"], loud["value"]) == (None, "bm90IGpzb24=")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"error_class": ErrorClass.UNDECODABLE}, "could not be decoded"),
        ({"value": None}, "neither key nor value"),
        ({"value": None, "error_class": ErrorClass.TOO_LARGE}, "is at offset 17"),
        (
            {"position": EXAMPLE.position.model_copy(update={"topic": "data-access.verdicts"})},
            "only data-access.raw and data-access.events",
        ),
    ],
)
def test_what_cannot_be_replayed_is_said_before(change: dict[str, object], words: str) -> None:
    """A letter without its record, or from elsewhere, is refused with the reason."""
    check_replayable(EXAMPLE, KafkaSettings())
    with pytest.raises(NotReplayableError, match=words):
        check_replayable(EXAMPLE.model_copy(update=change), KafkaSettings())


class Fake:
    """Stands for aiokafka's producer, connected to topics of two partitions."""

    async def partitions_for(self, _: str) -> set[int]:
        """Those there are."""
        return {0, 1}

    async def send_and_wait(self, topic: str, *_: Any, partition: int, **__: Any) -> Any:
        """Confirm, or fail as the client does."""
        assert partition in {0, 1}, "Unrecognized partition"
        return SimpleNamespace(topic=topic, partition=partition, offset=5)


async def test_a_reinserted_letter_is_signed(tmp_path: Path) -> None:
    """With the key of the command line, which the reporter trusts for dead letters."""
    keys = SigningKeys(tmp_path)
    settings = KafkaSettings(**keys.settings(keys.make("command-line")))
    actions = DeadLetterActions(settings, author="test", clock=lambda: NOW)
    sent: list[ConsumerRecord[bytes | None, bytes | None]] = []

    class Recording(Fake):
        async def send_and_wait(self, topic: str, *values: Any, partition: int, **more: Any) -> Any:
            headers = tuple(more["headers"])
            record = (topic, partition, 0, 0, 0, more["key"], *values, None, 0, 0, headers)
            sent.append(ConsumerRecord(*record))
            return await super().send_and_wait(topic, partition=partition)

    actions._producer = cast("Any", Recording())
    gone = EXAMPLE.model_copy(update={"value": None})
    [done] = [
        each async for each in actions.replay([Letter(LetterPosition(1, 0), gone)], reinsert=True)
    ]
    assert done.act is DeadLetterAction.REINSERTED
    trusted = load_trusted_keys(keys.trusted_file, settings.topic_prefix)
    assert [(each.topic, Verifier().refusal(each, trusted)) for each in sent] == [
        ("data-access.dead-letters", None),
        ("data-access.dispositions", None),
    ]


async def test_letter_from_a_partition_that_is_gone_stops_no_other() -> None:
    """A topic may have been created again with fewer partitions."""
    gone = EXAMPLE.model_copy(
        update={"position": EXAMPLE.position.model_copy(update={"partition": 7})}
    )
    actions = DeadLetterActions(KafkaSettings(), author="test", clock=lambda: NOW)
    actions._producer = cast("Any", Fake())

    letters = [Letter(LetterPosition(1, 0), gone), Letter(LetterPosition(1, 1), EXAMPLE)]
    done = [each async for each in actions.replay(letters, reinsert=False)]

    assert [each.act for each in done] == [None, DeadLetterAction.REPLAYED]
    assert done[0].problem == "`data-access.raw` no longer has partition 7"
