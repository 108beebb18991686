"""What an operator states about a controller, because no policy and no event does."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Party:
    """A person or an organisation, and how to reach them."""

    name: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class ControllerDetails:
    """What article 30 GDPR asks for about the controller itself; what is missing is not stated."""

    controller: Party | None = None
    representative: Party | None = None
    data_protection_officer: Party | None = None
    joint_controllers: tuple[Party, ...] = ()
    home: tuple[str, ...] = ()
    """Locations that are no third country, with everything below them."""
    safeguards: Mapping[str, str] = field(default_factory=dict)
    """By location or recipient. A recipient that is named here is in a third country."""
    security_measures: tuple[str, ...] = ()


DEFAULT_HOME = ("eu",)
"""Where no operator states a home: what the GDPR calls a third country lies outside the EU."""
