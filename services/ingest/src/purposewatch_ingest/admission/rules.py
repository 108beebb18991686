"""What events are admitted by, apart from the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from purposewatch_ingest.admission.pseudonym import Pseudonymiser
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy.vocabulary import Vocabulary

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """What events are admitted by, apart from the contract."""

    vocabularies: Mapping[str, Vocabulary]
    """By controller."""
    pseudonymise: Pseudonymiser
    max_future: timedelta
    """How far ahead of the gate's clock an event's time may be."""


def is_own(source: str, publisher: Publisher) -> bool:
    """Whether a publisher may speak as this source: its own name, or a path below it."""
    own = f"/{publisher.name}"
    return source == own or source.startswith(own + "/")


def is_plausible(time: datetime, now: datetime, max_future: timedelta) -> bool:
    """Whether an event's time can be that of an access to data."""
    return EARLIEST <= time <= now + max_future
