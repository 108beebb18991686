"""Ports that stay free while what listened on them is dead."""

from __future__ import annotations

import itertools
import os
import random
import socket

_RANGE = range(18_600, 32_000)
"""Below the ports that Linux gives to outgoing connections: a client that knocks at a dead
service's port could otherwise be given that very port, and would then talk to itself."""

_WORKERS = 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_own = _RANGE[_worker::_WORKERS]
"""Workers of one run never take the same port, not even between a look and a bind."""

_next = itertools.cycle(random.sample(_own, len(_own)))


def take_port() -> int:
    """Return a port of the loopback interface that is free and was not returned before."""
    for port in itertools.islice(_next, len(_own)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "no port is free"
    raise OSError(message)
