"""Counsel's work with a new version of a policy, from the question to the day it goes live."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from playwright.async_api import Page, expect

from tests.e2e.page_stage import RunningPage, desk_traffic

POLICIES = Path(__file__).parents[2] / "policies"
CONTROLLER = "linggan-house"
VERSION = "undated"
TITLE = "Privacy agreement of Linggan House"
NEW = "no-public"
_PATIENCE = 60_000
_FRESH = 600

Picture: TypeAlias = Callable[[Page, str], Awaitable[None]]


def own_policies(directory: Path) -> Path:
    """A copy of the declared policies, which the walk changes."""
    return Path(shutil.copytree(POLICIES, directory / "policies"))


def without_public(text: str) -> str:
    """The text of the policy without the statement that lets the public have the data."""
    start = text.index("  - id: sharing.overdue.public")
    return text[:start] + text[text.index("  - id: sharing.overdue.lenders") :]


def as_version(text: str) -> str:
    """The text as a version that follows the declared one today."""
    began = datetime.now(UTC).replace(microsecond=0).isoformat()
    head = f"version: {NEW}\nmode: shadow\nreplaces: {VERSION}"
    return text.replace(f"version: {VERSION}", head, 1).replace(
        "in_force_from: 2018-01-01T00:00:00+08:00", f"in_force_from: {began}", 1
    )


async def command(desk: RunningPage, *arguments: str) -> str:
    """Run `purposewatch`; what it prints."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "purposewatch_cli", *arguments],
        env={
            **os.environ,
            **desk.environment,
            "PURPOSEWATCH_REPORTER_PUBLIC_URL": desk.base_url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


async def try_policy(page: Page, picture: Picture) -> str:
    """Load the declared version, make a mistake, correct it, and see the effect; the text."""
    await page.get_by_role("link", name="Try a policy").click()
    await page.get_by_label("Begin with").select_option(f"{CONTROLLER}@{VERSION}")
    await page.get_by_role("button", name="Load its text").click()
    field = page.get_by_label("Its text, to paste or to edit")
    await expect(field).to_have_value(declared_text())
    text = without_public(await field.input_value())

    wrong = text.replace("recipients: [third_party.lender]", "recipients: [third_party.lendr]")
    await field.fill(wrong)
    await page.get_by_role("button", name="Try it").click()
    await expect(page.get_by_role("heading", name="The policy has faults (1)")).to_be_visible()
    await picture(page, "foresight-faults")
    await page.locator(".mark-at").click()
    selected = "field => field.value.slice(field.selectionStart, field.selectionEnd)"
    assert "third_party.lendr" in await field.evaluate(selected)

    await field.fill(text)
    await page.get_by_role("button", name="Try it").click()
    await expect(page.get_by_role("heading", name=TITLE)).to_be_visible(timeout=_PATIENCE)
    effect = page.locator("#becomes_violation")
    await expect(effect.locator("tbody tr")).to_have_count(1)
    await expect(effect).to_contain_text("sharing.overdue.public")
    await expect(effect).to_contain_text("Undeclared sharing")
    await picture(page, "foresight-effect")
    return text


def declared_text() -> str:
    """The text of the declared version."""
    return (POLICIES / CONTROLLER / f"policy.{VERSION}.yaml").read_text(encoding="utf-8")


async def make_exceptions(desk: RunningPage, policies: Path, directory: Path) -> str:
    """Put the version in shadow mode, and grant the exceptions that it needs; the file."""
    options = ("--owner", "collections", "--reason", "The public list is taken down in January.")
    needed = await command(
        desk,
        *("policy", "exceptions", f"{policies / CONTROLLER}@{NEW}", "--policies", str(policies)),
        *(*options, "--author", "counsel", "--expires", "60d", "--since", "30d"),
    )
    file = directory / "exceptions.yaml"
    file.write_text(needed)
    await command(desk, "policy", "grant-exceptions", str(file))
    return needed


async def silences(desk: RunningPage) -> list[dict[str, Any]]:
    """The exceptions that are in force."""
    async with httpx.AsyncClient(base_url=desk.base_url) as client:
        answer = await client.get("/api/v1/silences", params={"exceptions": True})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def remove_mode(draft: Path) -> None:
    """The one edit by which a version in shadow mode goes live."""
    draft.write_text(draft.read_text().replace("mode: shadow\n", ""))


async def go_live(page: Page, desk: RunningPage, draft: Path) -> None:
    """Remove one line, and wait until a publication is a violation."""
    remove_mode(draft)
    address = f"/violations?recipient=public&version={NEW}"
    async with asyncio.timeout(_PATIENCE / 1_000):
        for number in range(100):
            now = datetime.now(UTC)
            fresh = [
                each
                for each in desk_traffic(_FRESH, until=now, seed=1_000 + number)
                if json.loads(each.event)["data"]["recipient"] == "public"
            ]
            await desk.happen([_now(each, number, now) for each in fresh[:3]])
            await page.goto(address)
            if await page.locator(".rows tbody tr").count():
                return
            await asyncio.sleep(0.5)


def _now(happened: Any, number: int, now: datetime) -> Any:
    """The same event again, under another id and as of now."""
    event = json.loads(happened.event)
    event |= {"id": f"live-{number}-{event['id']}", "time": now.isoformat()}
    return happened._replace(event=json.dumps(event, separators=(",", ":")).encode())
