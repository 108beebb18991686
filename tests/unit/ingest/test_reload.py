"""Ingest uses the declared policies as they are on disk, or the last valid ones."""

import shutil
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from purposewatch_ingest.app import build_app
from purposewatch_ingest.settings import IngestSettings
from purposewatch_policy import InvalidSourceError
from purposewatch_runtime.service import FileReloader, Supervisor
from tests.harness.environment import POLICIES
from tests.unit.ingest.conftest import AUTHORIZED, KEY

ASKED = {
    "controller": "wework-labs",
    "role": "member_employee",
    "operation": "collect",
    "purpose": "essential.service.access_control",
    "recipient": "first_party",
    "data_categories": ["user.contact.email"],
}


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    """Our own policies, in a directory that can be changed."""
    shutil.copytree(POLICIES, tmp_path / "policies")
    register = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    register.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}"
    )
    return IngestSettings.model_validate(
        {
            "pseudonym_key": "ab" * 32,
            "publishers_file": register,
            "policies_dir": tmp_path / "policies",
        }
    )


async def nearest(app: FastAPI) -> str:
    """The statement that comes nearest to what is asked."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://ingest", headers=AUTHORIZED
    ) as client:
        answer = await client.post("/v1/decisions", json=ASKED)
        [decision] = answer.json()["decisions"]
        statement: str = decision["categories"][0]["statement"]
        return statement


def refresh(supervisor: Supervisor) -> None:
    """Check the policies once, as the running service does from time to time."""
    [reloader] = [
        each
        for each in supervisor._components
        if isinstance(each, FileReloader) and each.name == "policy directory"
    ]
    reloader.refresh()


async def test_changed_policies_are_used_and_invalid_ones_are_not(
    settings: IngestSettings,
) -> None:
    """Decisions change with the file; a faulty file changes nothing."""
    app, supervisor = build_app(settings)
    assert await nearest(app) == "member_employees.contact.collect"
    [path] = (settings.policies_dir / "wework-labs").glob("policy*.yaml")
    text = path.read_text()
    path.write_text(text.replace("member_employees.contact.collect", "renamed.collect"))
    refresh(supervisor)
    assert await nearest(app) == "renamed.collect"
    path.write_text("controller: wework-labs\n")
    refresh(supervisor)
    assert await nearest(app) == "renamed.collect"


def test_it_does_not_start_with_an_invalid_policy(settings: IngestSettings) -> None:
    """Like the auditor."""
    (settings.policies_dir / "wework-labs" / "policy.extra.yaml").write_text("{}")
    with pytest.raises(InvalidSourceError):
        build_app(settings)
