"""The routing that the settings ask for, and its channels. Secrets are read here only."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.alertmanager import Alertmanager, AlertmanagerTarget
from purposewatch_reporter.alerts.apprise import AppriseChannel, is_address
from purposewatch_reporter.alerts.channel import Channel
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from purposewatch_reporter.alerts.routing import (
    Address,
    AlertmanagerSpec,
    AppriseSpec,
    ChannelSpec,
    Routing,
    SecretFile,
    WebhookSpec,
    to_one,
)
from purposewatch_reporter.alerts.routing_file import load_routing
from purposewatch_reporter.alerts.webhook import Webhook, WebhookTarget
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_runtime.service import FatalError

WEBHOOK = "webhook"
"""The channel that PURPOSEWATCH_WEBHOOK_URL configures."""


def routing_from(settings: ReporterSettings) -> Routing:
    """The alerting file's routing; without one, everything to the webhook, if it is configured.

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


def make_channels(routing: Routing, clock: Callable[[], datetime]) -> Sequence[Channel]:
    """Every channel, in the order of the routing's endpoints.

    Raises `FatalError` when a secret can't be read; the message names its file only.
    """
    return [channel for spec in routing.specs for channel in _channels(spec, clock)]


def _channels(spec: ChannelSpec, clock: Callable[[], datetime]) -> Sequence[Channel]:
    if isinstance(spec, AlertmanagerSpec):
        authorization = None if spec.authorization is None else _secret(spec.authorization)
        return [
            Alertmanager(
                name,
                AlertmanagerTarget(
                    url=url,
                    authorization=authorization,
                    timeout_seconds=spec.timeout_seconds,
                    resend=timedelta(seconds=spec.resend_seconds),
                    hold=timedelta(seconds=spec.hold_seconds),
                ),
                clock=clock,
            )
            for name, url in zip(spec.endpoints(), spec.urls, strict=True)
        ]
    resend_policy = ResendPolicy(resend=_minutes(spec.repeat_minutes))
    if isinstance(spec, AppriseSpec):
        url = _secret(spec.address)
        if not is_address(url):
            message = (
                f"the address of channel `{spec.name}` is not one that Apprise supports; correct it"
            )
            raise FatalError(message)
        return [AppriseChannel(spec.name, url, resend_policy, timeout_seconds=spec.timeout_seconds)]
    return [_webhook(spec, resend_policy)]


def _webhook(spec: WebhookSpec, resend_policy: ResendPolicy) -> Webhook:
    secret = None if spec.secret is None else _secret(spec.secret)
    return Webhook(
        spec.name, WebhookTarget(_secret(spec.address), secret, spec.timeout_seconds), resend_policy
    )


def _minutes(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)


def _secret(address: Address) -> SecretStr:
    if not isinstance(address, SecretFile):
        return address
    try:
        text = address.path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the secret in `{address.path}` ({type(error).__name__})"
        raise FatalError(message) from None
    if not text:
        message = f"the secret in `{address.path}` is empty; fill it in"
        raise FatalError(message)
    return SecretStr(text)
