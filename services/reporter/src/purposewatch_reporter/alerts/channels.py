"""Make the channels that the routing names. Secrets are read here, and nowhere else."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

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
)
from purposewatch_reporter.alerts.webhook import Webhook, WebhookTarget
from purposewatch_runtime.service import FatalError


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
    cadence = ResendPolicy(resend=_minutes(spec.repeat_minutes))
    if isinstance(spec, AppriseSpec):
        url = _secret(spec.address)
        if not is_address(url):
            message = f"the address of channel `{spec.name}` is none that Apprise knows; correct it"
            raise FatalError(message)
        return [AppriseChannel(spec.name, url, cadence, timeout_seconds=spec.timeout_seconds)]
    return [_webhook(spec, cadence)]


def _webhook(spec: WebhookSpec, cadence: ResendPolicy) -> Webhook:
    secret = None if spec.secret is None else _secret(spec.secret)
    return Webhook(
        spec.name, WebhookTarget(_secret(spec.address), secret, spec.timeout_seconds), cadence
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
