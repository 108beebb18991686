"""A real Alertmanager: the cause speaks, its consequences keep still."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.deploy.rules import ALERTS
from tests.deploy.tools import ALERTMANAGER_CONFIGURATION
from tests.harness.alertmanager import Alertmanager

AUDITOR = {"job": "purposewatch-auditor", "instance": "a:1"}
REPORTER = {"job": "purposewatch-reporter", "instance": "a:2"}
EVENTS = AUDITOR | {"topic": "data-access.events"}

CASES = [
    ("TargetDown", AUDITOR, "ConsumerStuck", EVENTS, True),
    ("TargetDown", AUDITOR, "ConsumerStuck", EVENTS | {"instance": "b:1"}, False),
    ("TargetDown", AUDITOR, "EventsUnaccounted", REPORTER | {"partition": "0"}, False),
    ("TargetDown", REPORTER, "LedgerNotReconciled", {}, True),
    ("TargetDown", AUDITOR, "LedgerNotReconciled", {}, False),
    ("ServiceAbsent", {"job": "purposewatch-auditor"}, "VerdictsLate", {"partition": "0"}, True),
    ("ServiceAbsent", {"job": "purposewatch-reporter"}, "VerdictsLate", {"partition": "0"}, False),
    ("ConsumerStopped", EVENTS, "ConsumerStuck", EVENTS, True),
    ("ConsumerStuck", EVENTS, "ConsumerLagGrowing", {"topic": EVENTS["topic"]}, True),
    ("ConsumerStuck", EVENTS, "ConsumerLagGrowing", {"topic": "data-access.raw"}, False),
    ("AuditLateFast", {}, "AuditLateSlow", {}, True),
    ("DeadLettersFast", {}, "DeadLettersSlow", {}, True),
    ("AlertChannelDead", {"channel": "webhook"}, "OutboxWaiting", {"channel": "webhook"}, True),
    ("AlertChannelDead", {"channel": "webhook"}, "OutboxWaiting", {"channel": "mail"}, False),
]
"""The cause and what it carries, a consequence and what that carries, whether it keeps still."""


def alert(name: str, labels: Mapping[str, str], case: int) -> dict[str, object]:
    """An alert as Prometheus sends it."""
    full = f"Purposewatch{name}"
    return {"labels": {"alertname": full, "case": str(case), **ALERTS[full]["labels"], **labels}}


async def test_the_cause_speaks_and_its_consequences_keep_still() -> None:
    """One case at a time, each ended before the next, so that no other cause is around."""
    async with Alertmanager(ALERTMANAGER_CONFIGURATION) as alertmanager:
        await alertmanager.start_ready()
        for number, (cause, of_cause, effect, of_effect, still) in enumerate(CASES):
            both = [alert(cause, of_cause, number), alert(effect, of_effect, number)]
            await alertmanager.send(both)
            found = await _state(alertmanager, f"Purposewatch{effect}", number)

            assert found == ("suppressed" if still else "active"), CASES[number]
            ended = {"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:01Z"}
            await alertmanager.send([each | ended for each in both])


async def _state(alertmanager: Alertmanager, name: str, case: int) -> str:
    """Whether the alert is `active` or `suppressed`; `unprocessed` is waited for."""
    for _ in range(200):
        [found] = await alertmanager.alerts(alertname=name, case=str(case))
        if found["status"]["state"] != "unprocessed":
            return str(found["status"]["state"])
        await asyncio.sleep(0.05)
    pytest.fail("Alertmanager never looked at it")
