"""What the services themselves say: their state, and what is in the ledger."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PartitionLedgerReport:
    """The ledger of one partition of the events topic."""

    partition: int
    events: int | None
    """`None` while the reporter does not know the end of the topic."""
    verdicts: int
    dead_letters: int
    unaccounted: int
    pending: int | None
    duplicates: int
    conflicts: int
    reconciled: bool | None


@dataclass(frozen=True, slots=True)
class FoundViolation:
    """One of the latest violations, as the reporter returns it."""

    time: str
    publisher: str
    role: str
    recipient: str
    kind: str
    clause: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as seen from outside."""

    name: str
    url: str
    answers: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class Account:
    """Everything at one moment. INVARIANT: read from the services, never computed from the feed."""

    at: float
    """Monotonic seconds."""
    accepted: int = 0
    """By ingest's metrics; starts at zero when ingest is restarted."""
    audited: int = 0
    """By the auditor's metrics; starts at zero when it is restarted."""
    latency: tuple[float, float] | None = None
    """Upper bounds in seconds of the median and the 95th percentile, acceptance to verdict."""
    ledger: Sequence[PartitionLedgerReport] = ()
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    dead_lettered: Counter[str] = field(default_factory=Counter)
    """Dead letters by error class."""
    violations: Sequence[FoundViolation] = ()
    services: Sequence[ServiceState] = ()

    @property
    def events(self) -> int:
        """Events in Kafka, as far as the reporter knows."""
        return sum(each.events or 0 for each in self.ledger)

    @property
    def verdicts(self) -> int:
        """Events with a recorded verdict."""
        return sum(each.verdicts for each in self.ledger)

    @property
    def dead_letters(self) -> int:
        """Events with a recorded dead letter."""
        return sum(each.dead_letters for each in self.ledger)

    @property
    def unaccounted(self) -> int:
        """Events that were passed over."""
        return sum(each.unaccounted for each in self.ledger)

    @property
    def pending(self) -> int:
        """Events still under way."""
        return sum(each.pending or 0 for each in self.ledger)

    @property
    def duplicates(self) -> int:
        """Events recognised as repeats."""
        return sum(each.duplicates for each in self.ledger)

    @property
    def conflicts(self) -> int:
        """Events with the id of another and different content."""
        return sum(each.conflicts for each in self.ledger)

    @property
    def reconciled(self) -> bool:
        """Whether every partition is reconciled with Kafka."""
        return bool(self.ledger) and all(each.reconciled is True for each in self.ledger)

    def restarts(self, service: str | None = None) -> int:
        """How often a service, or any, was started again."""
        return sum(each.restarts for each in self.services if service in {None, each.name})

    @property
    def recorded(self) -> tuple[object, ...]:
        """All that the ledger holds; equal as long as nothing moves."""
        return (tuple(self.ledger), self.outcomes, self.kinds, self.dead_lettered)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where the page is, and the account that the reporter made for its first start."""

    url: str
    username: str
    password: str


def read_sign_in(url: str, log: Path) -> SignIn | None:
    """What the reporter's log says; `None` where it says nothing, as at a higher log level."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and {"username", "password"} <= said.keys():
            return SignIn(url, str(said["username"]), str(said["password"]))
    return None
