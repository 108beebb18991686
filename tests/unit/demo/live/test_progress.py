"""What the generator reports while it runs."""

import httpx

from purposewatch_demo.deliver import Sender
from purposewatch_demo.live.run import _progress


async def test_what_has_to_be_tried_again_is_told() -> None:
    """An ingest that takes nothing is not a quiet one."""
    async with httpx.AsyncClient() as ingest:
        sender = Sender(ingest, None, raw_topic="raw", keys={})
        assert _progress(sender, 10.0) == "0 events sent in 10 s"

        sender.deliveries.resent = 14

        reported = _progress(sender, 20.0)
        assert reported == "0 events sent in 20 s, 14 tried again (see ingest's log)"
