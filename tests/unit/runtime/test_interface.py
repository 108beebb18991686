"""What a program pays for importing a part of the runtime."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["settings", "logs"])
def test_settings_and_logs_bring_no_kafka_and_no_server(module: str) -> None:
    """The command line reads settings in every command; clients and servers would slow it down."""
    heavy = ("aiokafka", "faststream", "uvicorn", "starlette", "prometheus_client")
    program = (
        f"import sys, purposewatch_runtime.{module}\n"
        f"print(*sorted(set({heavy!r}) & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.split() == []
