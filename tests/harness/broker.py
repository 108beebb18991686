"""What a test needs to know of the broker that it runs on."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that is up: where it listens (`host:port`, comma-separated) and which one it is."""

    bootstrap_servers: str
    kind: Literal["embedded", "apache_kafka"]
