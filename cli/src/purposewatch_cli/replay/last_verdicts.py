"""Read the last verdicts of a topic."""

from datetime import datetime

from pydantic import ValidationError

from purposewatch_cli.kafka import TopicReader
from purposewatch_contract import VERDICTS
from purposewatch_contract.codec import DecodedVerdict, FastVerdictCodec
from purposewatch_runtime.settings import KafkaSettings

_AT_ONCE = 2_000


async def read_last(
    settings: KafkaSettings, count: int, *, controller: str, since: datetime | None
) -> list[DecodedVerdict]:
    """The last verdicts about a controller's events, a repeated event once; at most so many.

    They are found among the last of each partition, so there may be fewer.
    """
    codec = FastVerdictCodec()
    read: dict[tuple[str, str], DecodedVerdict] = {}
    async for record in TopicReader(settings, VERDICTS, at_once=_AT_ONCE).required(last=count):
        try:
            verdict = codec.decode(record.value or b"")
        except ValidationError:
            continue  # the reporter lists it
        if verdict.data.controller == controller and (since is None or verdict.event_time >= since):
            read.setdefault((verdict.event_source, verdict.event_id), verdict)
    return sorted(read.values(), key=lambda each: each.decided_time)[-count:]
