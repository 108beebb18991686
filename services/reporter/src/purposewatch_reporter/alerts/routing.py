"""Which alerts go where, and their severity by the organisation's own rules. Pure."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import Severity, SeverityOf


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A secret that stands in a file of its own."""

    path: Path


Address: TypeAlias = SecretStr | SecretFile


@dataclass(frozen=True, slots=True)
class AlertmanagerSpec:
    """A cluster of Alertmanagers; each member gets every alert."""

    name: str
    urls: tuple[str, ...]
    authorization: SecretFile | None = None
    timeout_seconds: int = 5
    resend_seconds: int = 60
    hold_seconds: int = 360

    def endpoints(self) -> tuple[str, ...]:
        """The channels that it becomes: one per member."""
        if len(self.urls) == 1:
            return (self.name,)
        return tuple(f"{self.name}/{number}" for number in range(1, len(self.urls) + 1))


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """An address that takes signed documents."""

    name: str
    address: Address
    secret: Address | None = None
    timeout_seconds: float = 5
    repeat_minutes: int | None = None

    def endpoints(self) -> tuple[str, ...]:
        """The channels that it becomes."""
        return (self.name,)


@dataclass(frozen=True, slots=True)
class AppriseSpec:
    """An Apprise address."""

    name: str
    address: Address
    timeout_seconds: int = 30
    repeat_minutes: int | None = None

    def endpoints(self) -> tuple[str, ...]:
        """The channels that it becomes."""
        return (self.name,)


ChannelSpec: TypeAlias = AlertmanagerSpec | WebhookSpec | AppriseSpec


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts that match every given condition go to these channels."""

    channels: tuple[str, ...]
    controllers: frozenset[str] | None = None
    """A notice about no controller's data is taken by no route with this condition."""
    kinds: frozenset[str] | None = None
    severities: frozenset[str] | None = None

    def takes(self, controller: str | None, kind: str, severity: str) -> bool:
        """Whether it applies to an alert."""
        return (
            (self.controllers is None or controller in self.controllers)
            and (self.kinds is None or kind in self.kinds)
            and (self.severities is None or severity in self.severities)
        )


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """Findings that match every given condition have this severity. Terms cover what is below."""

    severity: Severity
    conditions: tuple[tuple[str, frozenset[str]], ...]
    """Names of a group's fields, with the values that match."""

    def applies(self, group: Group) -> bool:
        """Whether it decides the severity of this finding."""
        return all(_is_below(getattr(group, name), terms) for name, terms in self.conditions)


@dataclass(frozen=True, slots=True)
class DiscoveryPolicy:
    """What raises a notice when it is seen for the first time."""

    third_parties: bool = True
    recipients: bool = False
    """Other recipients."""
    flows: bool = False
    learning: timedelta = timedelta(days=7)
    """After a controller's first event, in which nothing is told: then everything is new."""


@dataclass(frozen=True, slots=True)
class Routing:
    """What the alerting file says."""

    specs: tuple[ChannelSpec, ...] = ()
    routes: tuple[Route, ...] = ()
    default: tuple[str, ...] = ()
    severity_rules: tuple[SeverityRule, ...] = field(default=())
    discovery: DiscoveryPolicy = DiscoveryPolicy()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every channel, by the name that it has in the outbox, metrics and the API."""
        return tuple(name for spec in self.specs for name in spec.endpoints())

    def channels(self, controller: str | None, kind: str, severity: str) -> tuple[str, ...]:
        """The channels of every route that takes the alert; of none, the default ones."""
        taking = [route for route in self.routes if route.takes(controller, kind, severity)]
        named = {name for route in taking for name in route.channels}
        if not taking:
            named = set(self.default)
        return tuple(
            endpoint for spec in self.specs if spec.name in named for endpoint in spec.endpoints()
        )

    def severity_of(self, table: SeverityOf) -> SeverityOf:
        """The first of the file's rules that applies, else the table."""
        rules = self.severity_rules

        def severity_of(group: Group) -> Severity:
            for rule in rules:
                if rule.applies(group):
                    return rule.severity
            return table(group)

        return severity_of if rules else table


def _is_below(value: str, terms: frozenset[str]) -> bool:
    return value in terms or any(value.startswith(f"{term}.") for term in terms)


def to_one(spec: ChannelSpec) -> Routing:
    """Everything to one channel."""
    return Routing(specs=(spec,), default=(spec.name,))
