"""The example publishers in other languages, run against ingest's own server."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import purposewatch_contract
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.unit.ingest.conftest import KEY, FakeProducer

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

EXAMPLES = Path(purposewatch_contract.__file__).parents[4] / "examples" / "publishers"
COMMANDS = {
    "node": ["node", "publish.mjs"],
    "java": ["java", "-XX:TieredStopAtLevel=1", "Publish.java"],
    "go": ["go", "run", "publish.go"],
}


@pytest.mark.timeout(240)  # Go compiles its standard library once
@pytest.mark.parametrize("language", COMMANDS)
def test_example_publishes_what_is_valid(
    *,
    language: str,
    api: FastAPI,
    producer: FakeProducer,
    event: MakeEvent,
    tmp_path: Path,
) -> None:
    """It tries again when it is told to, compressed, and names the events that are refused."""
    command = COMMANDS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    statuses = iter([503, 429])

    async def busy_at_first(scope: Scope, receive: Receive, send: Send) -> None:
        status = next(statuses, None)
        if status is None:
            await api(scope, receive, send)
        else:
            await Response(status_code=status, headers={"Retry-After": "0"})(scope, receive, send)

    events = tmp_path / "events.json"
    events.write_text(json.dumps([event(id="e-1"), event({"role": "nobody"}), event(id="e-3")]))
    with serving(busy_at_first, HttpLimits()) as running:
        environment = os.environ | {"INGEST": f"http://127.0.0.1:{running.port}", "KEY": KEY}
        done = subprocess.run(
            [*command, str(events)],
            cwd=EXAMPLES,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert "/data/role" in done.stdout
    assert len(producer.records) == 2
    assert next(statuses, None) is None
