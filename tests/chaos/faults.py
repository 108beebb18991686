"""Injects the faults of a plan, and removes them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import httpx

from tests.chaos.plan import AUDITORS, BROKERS, EXTRA_AUDITOR, POSTGRESQL, Action, Step
from tests.chaos.world import NEW_VERSION, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.disk import Disk
    from tests.harness.service import ServiceProcess

_LOOK_SECONDS = 0.3
_BUSY_SECONDS = 30.0


class Faults:
    """Carries out steps, each at its time, and logs each of them.

    INVARIANT: one step at a time on a target, and one broker at a time, however long it takes.

    `unexpected` holds what went wrong outside any step, such as a service that exited by itself.
    """

    def __init__(
        self,
        world: World,
        tell: Callable[[str], None],
        *,
        reloaded: Callable[[], None],
        disk: Disk | None = None,
    ) -> None:
        self._world = world
        self._tell = tell
        self._reloaded = reloaded
        self._disk = disk
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.unexpected: list[str] = []

    async def carry_out(self, steps: Sequence[Step]) -> None:
        """Return when every step has been done and undone, and every service runs."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(self._at_its_time(step, begun))

    async def _at_its_time(self, step: Step, begun: float) -> None:
        await asyncio.sleep(max(0.0, begun + step.at - time.monotonic()))
        # On a slow machine coming back takes longer than planned: then the next step waits.
        async with self._locks["brokers" if step.target in BROKERS else step.target]:
            self._tell(str(step))
            await self._do(step)
            await asyncio.sleep(step.lasting)
            await self._undo(step)
            self._tell(f"  over: {step}")

    async def _do(self, step: Step) -> None:
        world = self._world
        match step.action:
            case Action.RELOAD:
                world.put_new_version_in_force()
                await self._known_everywhere()
            case Action.FILL:
                assert self._disk is not None
                self._disk.fill()
            case Action.RESET | Action.BLACKHOLE:
                for proxy in world.proxies[step.target, step.link]:
                    proxy.cut("reset" if step.action is Action.RESET else "blackhole")
            case Action.PAUSE if step.target in BROKERS:
                world.kafka.signal(signal.SIGSTOP, BROKERS.index(step.target))
            case _ if step.target in BROKERS:
                world.kafka.kill(BROKERS.index(step.target))
            case _ if step.target == POSTGRESQL:
                assert world.postgresql is not None
                world.postgresql.stop()
            case _:
                await self._do_to_service(step)

    async def _do_to_service(self, step: Step) -> None:
        service = self._world.services[step.target]
        if step.action is Action.ADD:
            service.start()
        elif not service.runs:
            self.unexpected.append(f"{step.target} had exited by itself before: {step}")
        elif step.action is Action.KILL:
            if step.aimed:
                await self._wait_until_busy(service)
            service.kill()
        elif step.action is Action.PAUSE:
            service.pause()
        else:
            await self._terminate(step.target)

    async def _undo(self, step: Step) -> None:
        world = self._world
        match step.action:
            case Action.RELOAD:
                pass  # a version that was in force stays one that was in force
            case Action.FILL:
                assert self._disk is not None
                self._disk.make_room()
            case Action.RESET | Action.BLACKHOLE:
                for proxy in world.proxies[step.target, step.link]:
                    proxy.heal()
            case Action.PAUSE if step.target in BROKERS:
                world.kafka.signal(signal.SIGCONT, BROKERS.index(step.target))
            case _ if step.target in BROKERS:
                await world.kafka.restart(BROKERS.index(step.target))
            case _ if step.target == POSTGRESQL:
                assert world.postgresql is not None
                await world.postgresql.start()
            case _:
                await self._undo_to_service(step)

    async def _undo_to_service(self, step: Step) -> None:
        if step.action is Action.ADD:
            await self._terminate(step.target)
        elif step.action is Action.PAUSE:
            self._world.services[step.target].resume()
        elif not self._world.services[step.target].runs:
            self._world.services[step.target].start()

    async def _wait_until_busy(self, service: ServiceProcess) -> None:
        """Return when the service reports a batch in flight, or after a while."""
        give_up = time.monotonic() + _BUSY_SECONDS
        async with httpx.AsyncClient(base_url=service.base_url, timeout=1.0) as client:
            while time.monotonic() < give_up and service.runs:
                with contextlib.suppress(httpx.TransportError):
                    if "in flight" in (await client.get("/readyz")).text:
                        return
                await asyncio.sleep(_LOOK_SECONDS / 10)

    async def _terminate(self, name: str) -> None:
        status = await self._world.services[name].terminate()
        if status not in (0, -signal.SIGTERM):
            self.unexpected.append(f"{name} did not stop cleanly: status {status}")

    async def _known_everywhere(self) -> None:
        """Return when every auditor that runs decides by the new version too."""
        names = [name for name in (*AUDITORS, EXTRA_AUDITOR) if name in self._world.services]
        async with httpx.AsyncClient(timeout=1.0) as client:
            for name in names:
                while not await self._knows(client, name):
                    await asyncio.sleep(_LOOK_SECONDS)
        self._reloaded()

    async def _knows(self, client: httpx.AsyncClient, name: str) -> bool:
        service = self._world.services[name]
        if not service.runs:
            return True  # it reads the policies when it starts
        try:
            shown = await client.get(f"{service.base_url}/metrics")
        except httpx.TransportError:
            return False
        return f'version="{NEW_VERSION}"' in shown.text

    def note_exited_services(self) -> None:
        """Note, after all steps, services that do not run although they should."""
        for name, service in self._world.services.items():
            if not service.runs and name != EXTRA_AUDITOR:
                self.unexpected.append(f"{name} exited by itself")
