"""Tell what was never seen before: a third party, another recipient, a flow.

In the transaction that records it, so that each is told once, whatever is killed or repeated, and
by one of several reporters.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_reporter.alerts.notices import NoticeKind, raise_notice
from purposewatch_reporter.alerts.routing import DiscoveryPolicy
from purposewatch_reporter.counting.rule import Hierarchy
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.flows.decided import key_of
from purposewatch_reporter.flows.record import Admission
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import discovery_starts, known_recipients
from purposewatch_runtime.logs import get_logger

THIRD_PARTY = "third_party"
MOST_RECIPIENTS = 10_000
"""Of one controller; further ones are not told. A vocabulary has far fewer."""

_NAMED = 5
"""Data categories in a summary."""

_Recipient = tuple[str, str]
"""Controller and recipient."""

_log = get_logger(__name__)


class FirstSeenRecorder:
    """Remembers recipients, and raises notices about what is new once a controller is known."""

    def __init__(
        self, policy: DiscoveryPolicy, vocabularies: Callable[[], Mapping[str, Vocabulary]]
    ) -> None:
        self._policy = policy
        self._vocabularies = vocabularies

    async def record(
        self, connection: AsyncConnection, admission: Admission, now: datetime
    ) -> None:
        """Look at what a batch has met for the first time."""
        if not admission.first_met:
            return
        met: dict[_Recipient, DecodedVerdict] = {}
        for verdict in sorted(admission.first_met, key=_accepted):
            met.setdefault((verdict.data.controller, verdict.data.recipient), verdict)
        starts = await _starts(connection, admission.first_met)
        new = await _remember(connection, met, admission, now)
        for key in sorted(new):
            recipients_time, _ = starts[key[0]]
            if self._is_told(met[key], recipients_time):
                await self._tell_recipient(connection, met[key], now)
        if self._policy.flows:
            await self._tell_flows(connection, admission, starts, now)

    def _is_told(self, verdict: DecodedVerdict, start: datetime) -> bool:
        """Whether it was accepted after the time in which everything is new."""
        return verdict.accepted_time - start >= self._policy.learning

    async def _tell_recipient(
        self, connection: AsyncConnection, verdict: DecodedVerdict, now: datetime
    ) -> None:
        data = verdict.data
        hierarchy = Hierarchy(self._vocabularies())
        lineage = hierarchy.lineage(data.controller, "recipients", data.recipient)
        is_third = THIRD_PARTY in lineage
        if not (self._policy.third_parties if is_third else self._policy.recipients):
            return
        what = "A third party" if is_third else "A recipient"
        await raise_notice(
            connection,
            kind=NoticeKind.NEW_THIRD_PARTY if is_third else NoticeKind.NEW_RECIPIENT,
            key=f"{data.controller}/{data.recipient}",
            controller=data.controller,
            summary=f"{what} that was never seen before: {_flow(verdict)}.",
            severity=Severity.MEDIUM if is_third else Severity.LOW,
            now=now,
        )

    async def _tell_flows(
        self,
        connection: AsyncConnection,
        admission: Admission,
        starts: Mapping[str, tuple[datetime, datetime]],
        now: datetime,
    ) -> None:
        """One notice for each controller: its flows are too many for one each."""
        by_controller: defaultdict[str, list[DecodedVerdict]] = defaultdict(list)
        for each in admission.new:
            controller = each.verdict.data.controller
            if self._is_told(each.verdict, starts[controller][1]):
                by_controller[controller].append(each.verdict)
        for controller, verdicts in sorted(by_controller.items()):
            await raise_notice(
                connection,
                kind=NoticeKind.NEW_FLOW,
                key=controller,
                controller=controller,
                summary=f"A flow that was never seen before: {_flow(verdicts[-1])}. The page "
                "Discovery lists all of them.",
                severity=Severity.LOW,
                now=now,
                count=len(verdicts),
            )


async def _starts(
    connection: AsyncConnection, met: Sequence[DecodedVerdict]
) -> Mapping[str, tuple[datetime, datetime]]:
    """Since when recipients and flows of the controllers are known; from now on, of new ones."""
    first: dict[str, datetime] = {}
    for verdict in met:
        controller, time = verdict.data.controller, verdict.accepted_time
        first[controller] = min(time, first.get(controller, time))
    rows = [
        {"controller": name, "recipients_time": first[name], "flows_time": first[name]}
        for name in sorted(first)
    ]
    await connection.execute(
        insert_into(connection, discovery_starts).on_conflict_do_nothing(), rows
    )
    c = discovery_starts.c
    found = await connection.execute(
        select(c.controller, c.recipients_time, c.flows_time).where(c.controller.in_(list(first)))
    )
    return {controller: (recipients, flows) for controller, recipients, flows in found}


async def _remember(
    connection: AsyncConnection,
    met: Mapping[_Recipient, DecodedVerdict],
    admission: Admission,
    now: datetime,
) -> Sequence[_Recipient]:
    """Insert the recipients that are new, and return them: who inserts one has seen it first."""
    c = known_recipients.c
    controllers = sorted({controller for controller, _ in met})
    known: defaultdict[str, set[str]] = defaultdict(set)
    limited = select(c.controller, c.recipient).where(c.controller.in_(controllers))
    for controller, recipient in await connection.execute(limited):
        known[controller].add(recipient)
    rows = []
    for (controller, recipient), verdict in sorted(met.items(), key=lambda each: each[0]):
        if recipient in known[controller]:
            continue
        if len(known[controller]) >= MOST_RECIPIENTS:
            _log.warning("too many recipients; new ones are not told", limit=MOST_RECIPIENTS)
            continue
        known[controller].add(recipient)
        rows.append(
            {
                "controller": controller,
                "recipient": recipient,
                "publisher": verdict.publisher,
                "flow_id": admission.places[key_of(verdict)].flow_id,
                "first_time": verdict.event_time,
                "recorded_time": now,
            }
        )
    if not rows:
        return ()
    inserted = await connection.execute(
        insert_into(connection, known_recipients)
        .on_conflict_do_nothing()
        .returning(c.controller, c.recipient),
        rows,
    )
    return [(controller, recipient) for controller, recipient in inserted]


def _accepted(verdict: DecodedVerdict) -> tuple[datetime, int, int]:
    return verdict.accepted_time, verdict.partition, verdict.offset


def _flow(verdict: DecodedVerdict) -> str:
    data = verdict.data
    categories = ", ".join(f"`{each}`" for each in data.data_categories[:_NAMED])
    beyond = len(data.data_categories) - _NAMED
    more = f" and {beyond} more" if beyond > 0 else ""
    kind = f" ({verdict.kind})" if verdict.kind else ""
    return (
        f"`{verdict.publisher}` stated `{data.operation}` of {categories}{more} of a "
        f"`{data.role}` of {data.controller} for `{data.purpose}`, to `{data.recipient}`; "
        f"{verdict.outcome}{kind}"
    )
