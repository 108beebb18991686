"""Serving until the process is asked to end."""

import socket

import pytest
from starlette.applications import Starlette

from purposewatch_runtime.service import Supervisor, run


def test_taken_port_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """A service whose port is taken ends at once with status 3 and says which port that is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            run(Starlette(), Supervisor([]), host="127.0.0.1", port=port)

    assert ended.value.code == 3
    printed = "".join(capfd.readouterr())
    assert f"port {port} of 127.0.0.1 is taken; end what listens there" in printed
