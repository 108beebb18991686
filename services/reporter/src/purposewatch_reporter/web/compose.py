"""Puts the page together for the reporter's `app.py`."""

from collections.abc import Callable
from datetime import datetime, timedelta

from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.app import Desk
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.users.first import FirstAccount
from purposewatch_reporter.web.users.sessions import SessionPolicy
from purposewatch_runtime.service import Component

_PRUNE_SECONDS = 300.0


def make_desk(
    settings: ReporterSettings,
    database: Database,
    watch: Reconciler,
    *,
    version: str,
    clock: Callable[[], datetime],
) -> Desk:
    """The page's parts and settings; nothing is read yet."""
    return Desk(
        database=database,
        watch=watch,
        declared=DeclaredPolicies(settings.policies_dir),
        clock=clock,
        public_url=settings.public_url,
        session_policy=SessionPolicy(
            idle=timedelta(minutes=settings.reporter_session_idle_minutes),
            longest=timedelta(hours=settings.reporter_session_hours),
        ),
        version=version,
    )


def desk_parts(desk: Desk, settings: ReporterSettings) -> list[Component]:
    """What has to be started for it, behind the database."""
    return [
        FirstAccount(desk.database, desk.passwords, desk.clock),
        Periodic("declared policies", settings.policies_reload_seconds, desk.declared.refresh),
        Periodic("sessions", _PRUNE_SECONDS, desk.prune),
    ]
