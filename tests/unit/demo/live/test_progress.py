"""What the generator tells while it runs."""

import httpx

from purposewatch_demo.deliver import Courier
from purposewatch_demo.live.run import _progress


async def test_what_has_to_be_tried_again_is_told() -> None:
    """A gate that takes nothing is no quiet gate."""
    async with httpx.AsyncClient() as gate:
        courier = Courier(gate, None, raw_topic="raw", keys={})
        assert _progress(courier, 10.0) == "0 events sent in 10 s"

        courier.deliveries.resent = 14

        told = _progress(courier, 20.0)
        assert told == "0 events sent in 20 s, 14 tried again (see the gate's log)"
