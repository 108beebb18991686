"""The compliance page: what all of its handlers share, put together from the settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.processing_record.details import ControllerDetails
from purposewatch_reporter.processing_record.details_file import load_details
from purposewatch_reporter.processing_record.export import RecordExports
from purposewatch_reporter.processing_record.reader import RecordReader
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.export_slots import ExportLimits, ExportSlots
from purposewatch_reporter.web.rendering import Rendering
from purposewatch_reporter.web.users.attempts import Attempts
from purposewatch_reporter.web.users.authentication import Authenticator
from purposewatch_reporter.web.users.first_user import FirstUser
from purposewatch_reporter.web.users.passwords import Passwords
from purposewatch_reporter.web.users.sessions import SessionPolicy, prune_sessions
from purposewatch_reporter.web.users.throttle import SignInLimits, ThrottlePolicy
from purposewatch_reporter.web.users.totp import TotpKey
from purposewatch_reporter.what_if.answering import WhatIfLimits, WhatIfService
from purposewatch_runtime.service import Component, FatalError, FileReloader

_PRUNE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class WebApp:
    """What the page's handlers work with."""

    database: Transactions
    watch: Reconciler
    declared: DeclaredPolicies
    clock: Callable[[], datetime]
    public_url: str
    session_policy: SessionPolicy
    version: str
    passwords: Passwords
    attempts: Attempts
    authenticator: Authenticator
    totp_key: TotpKey | None
    """`None` where second factors are not set up."""
    requires_second_factor: bool
    exports: ExportSlots
    what_if: WhatIfService
    exception_notice_days: float
    """So long before its end, an exception is said to expire."""
    details: FileReloader[Mapping[str, ControllerDetails]] | None
    """What the operator states about controllers; `None` where there is no file of it."""
    records: RecordReader
    record_exports: RecordExports
    rendering: Rendering = field(default_factory=Rendering)

    @property
    def is_https(self) -> bool:
        """Whether people reach the page over TLS."""
        return self.public_url.startswith("https://")

    async def prune(self) -> None:
        """Delete expired sessions and sign-in failures."""
        now = self.clock()
        async with self.database.writing() as connection:
            await prune_sessions(connection, self.session_policy, now)
            await self.attempts.prune(connection, now)


def make_web_app(  # noqa: PLR0913 - composition happens once, in app.py
    settings: ReporterSettings,
    database: Transactions,
    watch: Reconciler,
    *,
    version: str,
    clock: Callable[[], datetime],
    passwords: Passwords | None = None,
) -> WebApp:
    """Put the page together; nothing is read yet."""
    passwords = passwords or Passwords()
    attempts = Attempts(database, _sign_in_limits(settings))
    totp_key = TotpKey(settings.reporter_totp_key) if settings.reporter_totp_key else None
    declared = DeclaredPolicies(settings.policies_path)
    details = _details(settings)
    records = RecordReader(
        database,
        lambda: declared.current,
        lambda: {} if details is None else details.current,
        clock,
        rows=settings.reporter_record_rows,
    )
    return WebApp(
        database=database,
        watch=watch,
        declared=declared,
        clock=clock,
        public_url=settings.public_url,
        session_policy=SessionPolicy(
            idle=timedelta(minutes=settings.reporter_session_idle_minutes),
            longest=timedelta(hours=settings.reporter_session_hours),
        ),
        version=version,
        passwords=passwords,
        attempts=attempts,
        authenticator=Authenticator(database, passwords, attempts, totp_key, clock),
        totp_key=totp_key,
        requires_second_factor=settings.reporter_totp_required,
        exports=ExportSlots(
            ExportLimits(
                process=settings.reporter_max_exports,
                session=settings.reporter_max_session_exports,
                longest=timedelta(minutes=settings.reporter_export_minutes),
            )
        ),
        exception_notice_days=settings.reporter_exception_notice_days,
        what_if=WhatIfService(
            database,
            lambda: declared.current,
            settings.policies_path,
            WhatIfLimits(
                at_once=settings.reporter_max_what_ifs,
                seconds=settings.reporter_what_if_seconds,
                policy_bytes=settings.reporter_max_policy_bytes,
            ),
        ),
        details=details,
        records=records,
        record_exports=RecordExports(records, database, clock),
    )


def _details(settings: ReporterSettings) -> FileReloader[Mapping[str, ControllerDetails]] | None:
    """Read what the operator states. Raises `FatalError` with every fault of the file."""
    if settings.reporter_records_file is None:
        return None
    try:
        return FileReloader(
            settings.reporter_records_file,
            load_details,
            interval=settings.policies_reload_seconds,
            on_result=lambda _: None,
            name="records file",
        )
    except InvalidSourceError as error:
        raise FatalError(str(error)) from None


def _sign_in_limits(settings: ReporterSettings) -> SignInLimits:
    return SignInLimits(
        account_and_address=ThrottlePolicy(settings.reporter_sign_in_failures),
        address=ThrottlePolicy(settings.reporter_sign_in_address_failures),
        account=ThrottlePolicy(settings.reporter_sign_in_account_failures),
    )


def web_components(app: WebApp, settings: ReporterSettings) -> list[Component]:
    """What has to be started for it, after the database."""
    return [
        *(() if app.details is None else (app.details,)),
        FirstUser(app.database, app.passwords, app.clock),
        Periodic("declared policies", settings.policies_reload_seconds, app.declared.refresh),
        Periodic("sessions", _PRUNE_SECONDS, app.prune),
    ]
