"""The client's spool: accesses as events of `purposewatch_client`."""

import asyncio
import re
from typing import Self

import purposewatch_client as client
from purposewatch_connect.mapping import Access, Gap, GapKind
from purposewatch_connect.pipeline import InvalidAccessError, SpoolError

_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")
_MAX_SEGMENT = 64


class ClientSpool:
    """A component and a `Spool`: appends to the client's spool, and closes it at the end."""

    name = "spool"

    def __init__(self, configured: client.Client) -> None:
        self._client = configured

    @classmethod
    def of(cls, publisher: str) -> Self:
        """The spool of the client that the environment configures, for this publisher."""
        return cls(client.configure(source=f"/{publisher}", on_error="raise", when_full="raise"))

    async def start(self) -> None:
        """Start the client's sender, which also sends what an earlier process left in the spool."""
        self._client.start()

    async def stop(self) -> None:
        """Send what is in the spool, within the client's bound; the rest stays in it."""
        await asyncio.to_thread(self._client.close)

    def append(self, access: Access) -> None:
        """See `Spool`."""
        try:
            self._client.record(
                id=access.id,
                time=access.time,
                actor=source_segment(access.service),
                controller=access.controller,
                role=access.role,
                operation=access.operation,
                purpose=access.purpose,
                recipient=access.recipient,
                categories=access.data_categories,
                subject=access.subject_id,
                data_source=access.source,
                location=access.location,
                retention_days=access.retention_days,
                legal_basis=access.legal_basis,
                facts=access.facts,
                traceparent=access.traceparent,
                count=access.count,
            )
        except client.EventError as error:
            raise InvalidAccessError(str(error)) from None
        except client.NotRecordedError as error:
            raise SpoolError(str(error)) from None

    def append_gap(self, gap: Gap) -> None:
        """See `Spool`."""
        # Ingest refuses a controller that it does not know as one of the publisher's.
        controller = None if gap.kind is GapKind.UNKNOWN_CONTROLLER else gap.controller
        try:
            self._client.record_gap(
                gap.kind, gap.name, id=gap.id, time=gap.time, controller=controller
            )
        except client.NotRecordedError as error:
            raise SpoolError(str(error)) from None


def source_segment(service: str | None) -> str | None:
    """A service's name as a segment of an event's source."""
    name = _UNSAFE.sub("_", service or "")[:_MAX_SEGMENT]
    return None if not name.strip(".") else name
