"""The three services together: started, waited for, watched, stopped in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from purposewatch_demo.processes import Service, ServiceDiedError
from purposewatch_demo.stage import Stage

_READY_SECONDS = 90.0
_LOOK_EVERY_SECONDS = 0.2
_OK = 200


class StartError(Exception):
    """The demonstration can't start; the message says why."""


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[dict[str, Service]]:
    """Start every service; stop them in the end, whatever happens.

    They are stopped in the order of the flow, upstream first, so that each can finish what it
    was given.
    """
    services = {name: Service(spec) for name, spec in stage.services.items()}
    async with AsyncExitStack() as stack:  # goes on with the others when one can't be stopped
        for service in reversed(services.values()):
            stack.push_async_callback(service.stop)
        for service in services.values():
            await service.start()
        yield services


async def wait_until_ready(
    client: httpx.AsyncClient, services: Mapping[str, Service], report: Callable[[str], None]
) -> None:
    """Return once all services are ready; from then on a death is followed by a restart.

    Raises `StartError` when one does not get ready, or dies.
    """
    give_up = time.monotonic() + _READY_SECONDS
    waiting = dict.fromkeys(services, "")
    while waiting:
        try:
            check(services)
        except ServiceDiedError as death:
            raise StartError(str(death)) from death
        for name in list(waiting):
            reason = await _unready(client, services[name])
            if reason is None:
                del waiting[name]
            else:
                waiting[name] = reason
        if waiting and time.monotonic() > give_up:
            name, reason = next(iter(waiting.items()))
            words = services[name].last_words()
            message = f"{name} is not ready: {reason}; its last words:\n{words}"
            raise StartError(message)
        if waiting:
            report(f"starting the services, waiting for {', '.join(waiting)}")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
    for service in services.values():
        service.settle()


def check(services: Mapping[str, Service]) -> None:
    """Raise `ServiceDiedError` when a service could not be kept running."""
    for service in services.values():
        service.check()


async def _unready(client: httpx.AsyncClient, service: Service) -> str | None:
    """What a service still waits for, in its own words; `None` when it is ready."""
    try:
        answer = await client.get(f"{service.spec.url}/readyz")
        if answer.status_code == _OK:
            return None
        checks = answer.json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError):
        return "it does not answer yet"
    return "; ".join(
        f"{name}: {found['detail']}" for name, found in checks.items() if not found["ok"]
    )
