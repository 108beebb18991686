"""Which consignments are sent where there is a raw topic to write to, and where there is none."""

from dataclasses import replace

from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import DeadLettered
from purposewatch_demo.traffic import Consignment


def over_http(consignment: Consignment) -> Consignment | None:
    """The consignment as the gate takes it over HTTP; None where nothing of it is left.

    Malformed records only exist in the raw topic: over HTTP they would refuse their whole batch.
    """
    if consignment.transport is not Transport.RAW:
        return consignment
    items = tuple(item for item in consignment.items if not isinstance(item.expected, DeadLettered))
    return replace(consignment, transport=Transport.BATCH, items=items) if items else None
