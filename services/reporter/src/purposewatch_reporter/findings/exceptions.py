"""Exceptions: silences that let a version of a policy go live, each with an owner and an end.

What an exception covers is a violation: it is recorded and counted as one, and raises no alert. The
end of an exception is announced some days before, and once more when it has come.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from purposewatch_reporter.findings.silences import Matchers, Silence

EXPIRED_SHOWN = timedelta(days=7)
"""So long is it announced that an exception has ended, unless it is renewed."""

_MAX_NAMED = 3


class Stage(StrEnum):
    """Where an exception stands."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    """It expires within the time of the first announcement."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Exceptions of one owner that end at the same time."""

    key: str
    controller: str | None
    stage: Stage
    summary: str


def stages(
    exceptions: Iterable[Silence], now: datetime, before: timedelta
) -> dict[Stage, list[Silence]]:
    """Return which exceptions are where; an exception that was renewed counts with its renewal.

    Those that expired longer than `EXPIRED_SHOWN` ago are not counted.
    """
    latest: dict[tuple[str | None, Matchers], Silence] = {}
    for each in exceptions:
        what = each.policy_version, each.matchers
        if what not in latest or latest[what].expires_time < each.expires_time:
            latest[what] = each
    found: dict[Stage, list[Silence]] = {stage: [] for stage in Stage}
    for each in latest.values():
        if each.ended_time is None and each.expires_time > now - EXPIRED_SHOWN:
            found[stage_of(each, now, before)].append(each)
    return found


def stage_of(exception: Silence, now: datetime, before: timedelta) -> Stage:
    """Return where an exception stands that nobody has ended."""
    if exception.expires_time <= now:
        return Stage.EXPIRED
    return Stage.EXPIRING if exception.expires_time <= now + before else Stage.ACTIVE


def announcements(found: dict[Stage, list[Silence]]) -> list[Announcement]:
    """Return what has to be announced: one thing for each version, owner, end and stage."""
    together: dict[tuple[Stage, str], list[Silence]] = defaultdict(list)
    for stage in (Stage.EXPIRING, Stage.EXPIRED):
        for each in found[stage]:
            ends = each.expires_time.isoformat(timespec="minutes")
            key = f"{each.matchers.controller} {each.policy_version} {each.owner} {ends} {stage}"
            together[stage, key].append(each)
    return [
        Announcement(key, some[0].matchers.controller, stage, _summary(stage, some))
        for (stage, key), some in sorted(together.items(), key=lambda each: each[0])
    ]


def _summary(stage: Stage, exceptions: Sequence[Silence]) -> str:
    first = exceptions[0]
    number = f"{len(exceptions)} exception{'s' if len(exceptions) > 1 else ''}"
    verb = "expired" if stage is Stage.EXPIRED else "expire" + "s" * (len(exceptions) == 1)
    named = sorted(map(_named, exceptions))
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    advice = (
        "What they cover alerts again. Change the service or the policy, or renew them."
        if stage is Stage.EXPIRED
        else "Then what they cover alerts. Change the service or the policy, or renew them."
    )
    return (
        f"{number} to version `{first.policy_version}` of `{first.matchers.controller}`, owned by "
        f"{first.owner}, {verb} at {first.expires_time.isoformat(timespec='minutes')}: "
        f"{'; '.join(named[:_MAX_NAMED])}{more}. {advice}"
    )


def _named(exception: Silence) -> str:
    wanted = exception.matchers
    return f"{wanted.data_category} for {wanted.purpose}, to {wanted.recipient}"
