"""What all pages share, put together once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.rendering import Rendering
from purposewatch_reporter.web.users.passwords import Passwords
from purposewatch_reporter.web.users.sessions import SessionPolicy, prune_sessions
from purposewatch_reporter.web.users.throttle import prune_failures


@dataclass(frozen=True, slots=True)
class Desk:
    """The page's parts and settings."""

    database: Database
    watch: Reconciler
    declared: DeclaredPolicies
    clock: Callable[[], datetime]
    public_url: str
    session_policy: SessionPolicy
    version: str
    passwords: Passwords = field(default_factory=Passwords)
    rendering: Rendering = field(default_factory=Rendering)

    @property
    def is_https(self) -> bool:
        """Whether people reach the page over TLS."""
        return self.public_url.startswith("https://")

    async def prune(self) -> None:
        """Forget sessions and failures that are over."""
        now = self.clock()
        async with self.database.writing() as connection:
            await prune_sessions(connection, self.session_policy, now)
            await prune_failures(connection, now)
