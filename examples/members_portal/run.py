"""Runs the portal with everything behind it on this machine, and shows what became of its events.

Starts a broker in memory, ingest, auditor and reporter, then the portal, and sends the portal a few
requests. It ends with Ctrl-C, or after the verdicts with `--once`.
"""

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from members_portal.app import create_app
from rich.console import Console
from rich.text import Text
from sqlalchemy import create_engine

import purposewatch_client as purposewatch
from purposewatch_demo.pipeline import Pipeline, local_pipeline

POLICIES = Path(__file__).resolve().parents[2] / "policies"
PUBLISHER = "portal"
PATIENCE_SECONDS = 30.0

REQUESTS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    ("GET", "/members/{id}", None),
    ("POST", "/members/{id}/bookings", {"room": "Taipei"}),
    ("GET", "/members/{id}/bookings", None),
    ("POST", "/members/{id}/reminders", None),
    ("POST", "/members/{id}/campaigns/spring", None),
)
"""What a member does after having registered; nobody agreed to the last one."""

console = Console()


async def main(*, once: bool) -> None:
    """Start everything, use the portal, and show the verdicts."""
    with tempfile.TemporaryDirectory(prefix="purposewatch-example-") as name:
        directory = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            with console.status("starting") as status:
                pipeline = await stack.enter_async_context(
                    local_pipeline(
                        directory,
                        POLICIES,
                        {PUBLISHER: frozenset({"wework-labs"})},
                        report=status.update,
                    )
                )
            purposewatch.configure(
                source=f"/{PUBLISHER}",
                controller="wework-labs",
                ingest_url=pipeline.ingest_url,
                key=pipeline.keys[PUBLISHER],
                spool=directory / "spool",
            )
            stack.callback(purposewatch.close)
            portal = await stack.enter_async_context(serving(directory))
            await use(portal)
            await asyncio.to_thread(purposewatch.flush)
            await show_verdicts(pipeline, purposewatch.get_client().stats().sent)
            show_addresses(pipeline, portal)
            if not once:
                show("Ctrl-C ends it")
                await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[str]:
    """Serve the portal on a free port, with an advertiser that takes everything."""
    engine = create_engine(f"sqlite:///{directory / 'portal.db'}")
    advertiser = httpx.MockTransport(lambda _: httpx.Response(202))
    app = create_app(engine, advertiser)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            await asyncio.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join)
        engine.dispose()


async def use(portal: str) -> None:
    """Register somebody, and send the other requests on their behalf."""
    async with httpx.AsyncClient(base_url=portal, trust_env=False) as client:
        somebody = {"name": "Ann", "email": "ann@company.example"}
        answer = await client.post("/members", json=somebody)
        show(f"{answer.status_code} POST /members")
        member = answer.json()["id"]
        for method, path, body in REQUESTS:
            answer = await client.request(method, path.format(id=member), json=body)
            show(f"{answer.status_code} {method} {path}")


async def show_verdicts(pipeline: Pipeline, events: int) -> None:
    """Wait until the ledger has all events, and show how each was decided, by data category."""
    with console.status("waiting for the verdicts"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await ask(pipeline, "ledger"))["totals"]["verdicts"] < events:
                await asyncio.sleep(0.1)
    console.print(f"\n{events} events, decided for each category of data:")
    dimensions = ("category", "purpose", "recipient", "outcome", "kind")
    counts = await ask(pipeline, "counts", of="decisions", by=dimensions)
    for group in counts["groups"]:
        decided = group["kind"] or group["outcome"]
        flow = f"{group['category']} to {group['recipient']} for {group['purpose']}"
        show(f"{decided:31}{flow}", style=None if group["outcome"] == "permitted" else "red")
    for violation in (await ask(pipeline, "violations"))["items"]:
        show(f"\n{violation['summary']}")
        show(f"{pipeline.reporter_url}/violations/{violation['id']}")


def show_addresses(pipeline: Pipeline, portal: str) -> None:
    """Say where to look."""
    show(f"\ncompliance page  {pipeline.reporter_url}/violations")
    if (account := pipeline.sign_in) is not None:
        show(f"sign in as       {account.username}  {account.password}")
    show(f"the portal       {portal}/docs")


def show(text: str, style: str | None = None) -> None:
    """Print a line unchanged."""
    console.print(Text(text, style=style or ""), soft_wrap=True)


async def ask(pipeline: Pipeline, resource: str, **parameters: Any) -> Any:
    """Ask the reporter's API."""
    url = f"{pipeline.reporter_url}/api/v1/{resource}"
    answer = await pipeline.client.get(url, params=parameters)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(once="--once" in sys.argv[1:]))
