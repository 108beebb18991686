"""Serving until the process is asked to end."""

import socket

import pytest
from starlette.applications import Starlette

from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.service import Supervisor, run


def test_taken_port_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """A service whose port is taken ends at once with status 3 and says which port that is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            run(Starlette(), Supervisor([]), host="127.0.0.1", port=port, limits=HttpLimits())

    assert ended.value.code == 3
    printed = "".join(capfd.readouterr())
    assert f"port {port} of 127.0.0.1 is taken; end what listens there" in printed


def test_too_few_files_for_the_connections_end_it(capfd: pytest.CaptureFixture[str]) -> None:
    """A service that could run out of files does not start, and says what to change."""
    limits = HttpLimits(max_connections=2**40)
    with pytest.raises(SystemExit) as ended:
        run(Starlette(), Supervisor([]), host="127.0.0.1", port=0, limits=limits)

    assert ended.value.code == 1
    assert "lower PURPOSEWATCH_HTTP_MAX_CONNECTIONS" in "".join(capfd.readouterr())
