"""What all endpoints do alike with requests, and with the records that come of them."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from purposewatch_ingest.admission import AdmissionBatch
from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.publisher_limiter import PublisherLimiter
from purposewatch_ingest.http.request_shares import RETRY_SECONDS, RequestShares
from purposewatch_ingest.http.requests import RequestBodies, RequestLimits
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.interface import SubjectsUnavailableError
from purposewatch_ingest.publishers import Publisher
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, Tombstone
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


def subjects_unavailable(error: SubjectsUnavailableError) -> ProblemError:
    """The problem of a request while pseudonyms can't be looked up."""
    _log.warning("pseudonyms not available", error=str(error))
    return ProblemError(
        ProblemKind.SUBJECTS_UNAVAILABLE,
        "the pseudonyms of subjects can't be looked up; send the same again later",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


class RequestHandling:
    """Who sent a request, what its publisher may take and send, and its content.

    One of it serves all endpoints, so that the limits hold for all of a publisher's requests.
    """

    def __init__(
        self,
        ingest: Ingest,
        authenticator: Authenticator,
        limits: RequestLimits,
        shares: RequestShares,
    ) -> None:
        self.ingest = ingest
        self.authenticator = authenticator
        self.limits = limits
        self.shares = shares
        self.limiter = PublisherLimiter(ingest)
        self.bodies = RequestBodies(limits, shares)

    async def resolve_subjects(self, batch: AdmissionBatch) -> bool:
        """See `AdmissionBatch`; a problem if pseudonyms can't be looked up now."""
        try:
            return await batch.resolve_subjects()
        except SubjectsUnavailableError as error:
            raise subjects_unavailable(error) from None

    async def publish(
        self,
        producer: AcknowledgedProducer,
        records: Sequence[OutgoingRecord | Tombstone],
        publisher: Publisher,
        noun: Literal["event", "fact", "gap"],
        *,
        charged: bool = True,
    ) -> None:
        """Return once Kafka has acknowledged every record.

        Otherwise give back what the publisher was charged, and raise a problem. Some of the records
        may have arrived; sending the same ids again is harmless.
        """
        try:
            async with asyncio.timeout(self.limits.acknowledge_timeout_seconds):
                await producer.publish(records)
        except Exception as error:  # noqa: BLE001 - whatever it is, they are not acknowledged
            if charged:
                self.limiter.give_back(publisher, len(records))
            number = {f"{noun}s": len(records)}
            _log.warning(f"{noun}s not acknowledged", **number, error=type(error).__name__)
            raise ProblemError(
                ProblemKind.KAFKA_UNAVAILABLE,
                f"Kafka did not acknowledge the {noun}s; send them again with the same ids",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from None
