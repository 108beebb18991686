"""Reads records of processing activities from the flow ledger."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select

from purposewatch_policy import CompiledPolicy, PolicySet
from purposewatch_reporter.flows.flow import Sum
from purposewatch_reporter.flows.outlines import read_outlines
from purposewatch_reporter.processing_record.collecting import RecordCollector
from purposewatch_reporter.processing_record.details import ControllerDetails
from purposewatch_reporter.processing_record.document import RecordDocument, document
from purposewatch_reporter.processing_record.record import ProcessingRecord, Scope
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import flows

T = TypeVar("T")

_WAITING = 4
"""So many records may wait for the one that is being made."""


class RecordsBusyError(Exception):
    """As many records are being made as may wait; ask again later."""


class UnknownControllerError(Exception):
    """No policy names the controller, and no flow of it was seen."""


class RecordReader:
    """Makes records, one at a time: each costs as much as there are flows."""

    def __init__(
        self,
        database: Transactions,
        policies: Callable[[], PolicySet],
        details: Callable[[], Mapping[str, ControllerDetails]],
        clock: Callable[[], datetime],
        *,
        rows: int,
    ) -> None:
        """Take what is current from `policies` and `details`; list at most so many `rows`."""
        self._database = database
        self._policies = policies
        self._details = details
        self._clock = clock
        self._rows = rows
        self._turn = asyncio.Lock()
        self._asked = 0

    async def controllers(self) -> list[str]:
        """Return every controller that has a policy, or of which a flow was seen."""
        async with self._database.reading() as connection:
            seen = await connection.execute(select(flows.c.controller).distinct())
            return sorted({*self._policies().controllers, *seen.scalars()})

    async def read(
        self,
        controller: str,
        language: str,
        make: Callable[[RecordDocument], T],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> T:
        """Return what `make` makes of the record of a controller in a language, in a thread.

        Raises `RecordsBusyError` and `UnknownControllerError`.
        """
        if self._asked > _WAITING:
            raise RecordsBusyError
        self._asked += 1
        try:
            async with self._turn:
                record = await self._record(Scope(controller, since, until, self._clock()))
                return await asyncio.to_thread(
                    lambda: make(document(record, language, rows=self._rows))
                )
        finally:
            self._asked -= 1

    async def _record(self, scope: Scope) -> ProcessingRecord:
        policies = self._policies()
        collector = RecordCollector(
            scope, _declared(policies, scope), self._details().get(scope.controller)
        )
        await self._collect(collector, scope)
        record = await asyncio.to_thread(collector.record)
        if not record.total.events and scope.controller not in policies.controllers:
            raise UnknownControllerError(scope.controller)
        return record

    async def _collect(self, collector: RecordCollector, scope: Scope) -> None:
        async with self._database.reading() as connection:
            async for outlines in read_outlines(
                connection,
                Sum,
                controller=scope.controller,
                since=scope.since,
                until=scope.until,
            ):
                await asyncio.to_thread(collector.add, outlines)


def _declared(policies: PolicySet, scope: Scope) -> CompiledPolicy | None:
    """Return the version in force at the end of the time, else the latest, if there is one."""
    if scope.controller not in policies.controllers:
        return None
    end = min(scope.until or scope.generated_time, scope.generated_time)
    versions = policies.versions(scope.controller)
    return policies.in_force(scope.controller, end) or (versions[-1] if versions else None)
