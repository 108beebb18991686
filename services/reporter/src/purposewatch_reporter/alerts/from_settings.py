"""The routing that the settings ask for."""

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.routing import Routing, WebhookSpec, to_one
from purposewatch_reporter.alerts.routing_file import load_routing
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.service import FatalError

WEBHOOK = "webhook"
"""The channel that PURPOSEWATCH_WEBHOOK_URL stands for."""


def routing_of(settings: ReporterSettings) -> Routing:
    """What the alerting file says; without one, everything to the webhook, if there is one.

    Raises `FatalError` with every fault of the file.
    """
    if settings.reporter_alerting_file is not None:
        try:
            return load_routing(settings.reporter_alerting_file)
        except InvalidSourceError as error:
            raise FatalError(str(error)) from None
    if settings.webhook_url is None:
        return Routing()
    return to_one(
        WebhookSpec(
            WEBHOOK,
            settings.webhook_url,
            settings.webhook_secret,
            timeout_seconds=settings.webhook_timeout_seconds,
        )
    )
