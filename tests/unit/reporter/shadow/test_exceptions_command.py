"""`purposewatch policy exceptions` lets a stricter policy go live, with a real reporter."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from purposewatch_cli.main import app
from purposewatch_cli.policy import exceptions_command
from purposewatch_cli.reporter_api import ReporterError
from purposewatch_policy import PolicySet
from purposewatch_policy.files import NamedText, read_draft
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web import app as web_app
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.test_api import client_of
from tests.unit.reporter.what_if import borrowers
from tests.unit.reporter.what_if.borrowers import (
    CONTROLLER,
    OVERDUE,
    POLICIES,
    WITHOUT_PUBLIC,
    ReadPolicies,
    a_day,
    decided_verdict,
    declared,
    published,
)

TERMS = ("--owner", "collections", "--reason", "Leaves in spring.", "--author", "counsel")
SINCE = ("--since", "2026-01-01T00:00:00Z")


@dataclass
class Asked:
    """The reporter's API, as the command asks it in a thread of its own."""

    client: httpx.AsyncClient
    loop: asyncio.AbstractEventLoop

    def get(self, path: str, query: Mapping[str, str]) -> Any:
        return self._ask(self.client.get(f"/api/v1{path}", params=query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask(self.client.post(f"/api/v1{path}", json=body))

    def _ask(self, request: Any) -> Any:
        answer = asyncio.run_coroutine_threadsafe(request, self.loop).result(30)
        if answer.is_error:
            raise ReporterError(answer.text, answer.status_code)
        return answer.json()


@pytest.fixture
async def api(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The flow ledger has a day of the collections of loans."""
    monkeypatch.setattr(web_app, "DeclaredPolicies", ReadPolicies)
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    async with client_of(database, policies_dir=POLICIES) as client:
        asked = Asked(client, asyncio.get_running_loop())
        monkeypatch.setattr(exceptions_command, "_api", lambda _: asked)
        yield


@pytest.fixture
def candidate(tmp_path: Path) -> str:
    """A file with a policy by which the public is no recipient."""
    path = tmp_path / "draft.yaml"
    path.write_text(WITHOUT_PUBLIC, encoding="utf-8")
    return str(path)


async def run(*arguments: str) -> Result:
    """Run a command while the reporter answers."""
    command = ["policy", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, app, command)


async def generate(candidate: str, *options: str) -> Result:
    return await run("exceptions", candidate, "--policies", str(POLICIES), *SINCE, *options)


async def findings(database: Database) -> dict[str, Any]:
    """The findings by publisher, of what goes to the public."""
    async with database.reading() as connection:
        rows = (await connection.execute(select(tables.findings))).all()
    return {
        f"{row.publisher} {row.data_category}": row for row in rows if row.recipient == "public"
    }


@pytest.mark.usefixtures("api")
async def test_exceptions_let_a_stricter_policy_go_live(
    database: Database, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded raises no alert then and is still a violation; anything else alerts."""
    generated = await generate(candidate, *TERMS, "--expires", "90d")
    assert generated.exit_code == 0, generated.output
    assert "2 exceptions needed, 0 granted already" in generated.stderr
    assert "# 5 events" in generated.stdout
    assert "now by sharing.overdue.public" in generated.stdout
    file = tmp_path / "exceptions.yaml"
    file.write_text(generated.stdout, encoding="utf-8")
    for expected in ("2 exceptions granted, 0 there already", "0 exceptions granted, 2 there"):
        granted = await run("grant-exceptions", str(file))
        assert (granted.exit_code, expected in granted.stderr) == (0, True), granted.stderr
    longer = (await generate(candidate, *TERMS, "--expires", "120d")).stdout
    [end] = [line for line in longer.splitlines() if line.startswith("expires_time")]
    [before] = [line for line in generated.stdout.splitlines() if line.startswith("expires_time")]
    file.write_text(generated.stdout.replace(before, end), encoding="utf-8")
    assert "2 exceptions granted" in (await run("grant-exceptions", str(file))).stderr
    again = await generate(candidate, *TERMS)
    assert "0 exceptions needed, 2 granted already" in again.stderr
    assert "exceptions: []" in again.stdout

    draft = read_draft([NamedText("draft", WITHOUT_PUBLIC)], declared())
    policy = draft.compiled.policy
    live = PolicySet({CONTROLLER: draft.compiled.vocabulary}, [policy])
    monkeypatch.setattr(borrowers, "declared", lambda: live)
    after = [*a_day(20), decided_verdict(40, published(), {OVERDUE: True}, publisher="other")]
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", after))
    found = await findings(database)
    assert len(found) == 4
    for name, row in found.items():
        silenced = row.silenced_count, row.state
        assert (row.count, silenced) == (
            (5, (5, "quiet")) if name.startswith("collections") else (1, (0, "firing"))
        )


@pytest.mark.usefixtures("api")
async def test_an_incomplete_file_grants_nothing(
    database: Database, candidate: str, tmp_path: Path
) -> None:
    """Every missing term is named with its line; what each exception states counts first."""
    generated = await generate(candidate)
    file = tmp_path / "exceptions.yaml"
    file.write_text(generated.stdout, encoding="utf-8")
    refused = await run("grant-exceptions", str(file))
    assert refused.exit_code == 2
    for name in ("owner", "reason", "author", "expires_time"):
        assert f"`{name}` is empty; fill it in" in refused.stderr
    async with database.reading() as connection:
        assert (await connection.execute(select(tables.silences))).all() == []

    text = generated.stdout.replace('expires_time: ""', "expires_time: 2027-02-01T00:00:00Z", 1)
    for name in ("owner", "reason", "author"):
        text = text.replace(f'{name}: ""', f"{name}: ana", 1)
    file.write_text(text + "    owner: ben\n", encoding="utf-8")
    granted = await run("grant-exceptions", str(file))
    assert granted.exit_code == 0, granted.stderr
    async with database.reading() as connection:
        rows = (await connection.execute(select(tables.silences))).all()
    assert sorted((row.owner, row.policy_version) for row in rows) == [
        ("ana", "undated"),
        ("ben", "undated"),
    ]


@pytest.mark.usefixtures("api")
async def test_what_can_not_be_used_is_said(candidate: str, tmp_path: Path) -> None:
    """With exit status 2, and nothing on standard output."""
    for arguments, message in (
        (("exceptions", str(tmp_path / "nothing.yaml")), "does not exist"),
        (("exceptions", candidate, "--policies", str(POLICIES), "--since", "soon"), "not a time"),
        (("grant-exceptions", str(tmp_path / "nothing.yaml")), "nothing.yaml"),
    ):
        refused = await run(*arguments)
        assert (refused.exit_code, message in refused.stderr, refused.stdout) == (2, True, "")
