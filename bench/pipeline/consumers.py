"""Contestants that consume the events topic."""

from collections.abc import Mapping, Sequence

from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import canonical
from bench.pipeline.processes import running
from bench.pipeline.stage import Stage
from purposewatch_contract import EVENTS

_ONE_MESSAGE_SHARE = 0.1
"""The one-message handler would take minutes for what the others finish in seconds."""
_TIMES_WITHOUT_WORK = 10
"""The client that only consumes would be finished after its first few commits."""


class Consumers:
    """Processes that consume a full topic together."""

    def __init__(  # noqa: PLR0913 - what tells contestants apart
        self,
        stage: Stage,
        *,
        name: str,
        title: str,
        arguments: Sequence[str],
        group: str,
        environments: Sequence[Mapping[str, str]] = ({},),
        share: float = 1.0,
        times: int = 1,
    ) -> None:
        self.name = name
        self.title = title
        self._stage = stage
        self._arguments = arguments
        self._group = group
        self._environments = environments
        self._share = share
        self._times = times

    async def run(self, events: int) -> Figure:
        """Fill a topic, then start the processes on it."""
        count = int(events * self._share)
        async with self._stage.topics() as prefix:
            for _ in range(self._times):
                await self._stage.fill(prefix, EVENTS, canonical(events)[:count])
            group = self._group.format(prefix=prefix)
            arguments = [part.format(group=group) for part in self._arguments]
            base = self._stage.environment(prefix)
            environments = [{**base, **own} for own in self._environments]
            async with running([arguments] * len(environments), environments) as processes:
                return await self._stage.watch(prefix, group, count * self._times, processes)


def contestants(stage: Stage) -> list[Contestant]:
    """The bare clients, the auditor alone and in two processes, and the one-message handler."""
    bare = ("-m", "bench.pipeline.clients.bare")
    auditor = ("-m", "purposewatch_auditor")
    own_port = {"PURPOSEWATCH_AUDITOR_HTTP_PORT": "0"}
    return [
        Consumers(
            stage,
            name="consume",
            title="bare aiokafka, consuming only",
            arguments=(*bare, "consume", "{group}"),
            group="{prefix}.consume",
            times=_TIMES_WITHOUT_WORK,
        ),
        Consumers(
            stage,
            name="pass_through",
            title="bare aiokafka, passing through",
            arguments=(*bare, "pass", "{group}"),
            group="{prefix}.pass",
        ),
        Consumers(
            stage,
            name="auditor",
            title="auditor",
            arguments=auditor,
            group="{prefix}.auditor",
            environments=(own_port,),
        ),
        Consumers(
            stage,
            name="two_auditors",
            title="auditor, two processes",
            arguments=auditor,
            group="{prefix}.auditor",
            environments=(own_port, own_port),
        ),
        Consumers(
            stage,
            name="one_message",
            title="FastStream, a message at a time",
            arguments=("-m", "bench.pipeline.clients.one_message", "{group}"),
            group="{prefix}.one-message",
            share=_ONE_MESSAGE_SHARE,
        ),
    ]
