"""A private PostgreSQL from the machine's own binaries, for the tests of what is stored."""

import asyncio
import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from tests.harness.ports import take_port
from tests.harness.required import skip_without

_REQUIRED = "PURPOSEWATCH_REQUIRE_POSTGRESQL"
_UNPRIVILEGED = ("postgres", "nobody")
_READY_SECONDS = 60.0


def binaries() -> Path | None:
    """The directory of the newest PostgreSQL's programs; `None` when it is not installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).parent)
    return max(found, key=_version, default=None)


def _version(directory: Path) -> int:
    number = re.fullmatch(r"\d+", directory.parent.name)
    return int(number.group()) if number else 0


class PostgreSQL:
    """One server in a temporary directory; `stop` and `start` keep its data.

    PostgreSQL refuses to run as root, so root starts it as another user.
    """

    def __init__(self, programs: Path, settings: Mapping[str, str] | None = None) -> None:
        self._programs = programs
        self._settings = settings or {}
        self._directory = Path(tempfile.mkdtemp(prefix="purposewatch-postgresql-"))
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self.port = take_port()
        self._process: subprocess.Popen[bytes] | None = None
        # the user copies what is the user's
        _run_as(
            self._user, self._directory, "cp", "-R", str(_initialised(programs, self._user)), "data"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def url(self, database: str) -> str:
        """The address for SQLAlchemy."""
        return f"postgresql+asyncpg://purposewatch@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Start the server, unless it runs, and wait until it answers."""
        if self._process is None:
            self._launch()
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                try:
                    connection = await asyncpg.connect(self.dsn("postgres"))
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
                else:
                    await connection.close()
                    return

    def _launch(self) -> None:
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "postgres"),
                    *("-D", "data", "-h", "127.0.0.1", "-p", str(self.port)),
                    *("-k", str(self._directory)),
                    *(f"-c{name}={value}" for name, value in self._settings.items()),
                ],
                cwd=self._directory,
                user=self._user,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop the server at once, as a crash would; it recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=20)
            self._process = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The server's process and its children: one for each connection, and some more."""
        assert self._process is not None, "it isn't running"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return (pid, *map(int, children))

    def signal(self, number: int) -> None:
        """Send the server and each process of it a signal, such as SIGSTOP and SIGCONT."""
        for each in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def dsn(self, database: str) -> str:
        """The address for asyncpg."""
        return f"postgresql://purposewatch@127.0.0.1:{self.port}/{database}"

    async def create_database(self) -> str:
        """A new, empty database; its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return name


@cache
def _initialised(programs: Path, user: str | None) -> Path:
    """Initialise storage that every server of this process begins with a copy of."""
    directory = Path(tempfile.mkdtemp(prefix="purposewatch-postgresql-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if user is not None:
        shutil.chown(directory, user)
    who = ("--auth=trust", "--username=purposewatch")
    initdb = str(programs / "initdb")
    _run_as(user, directory, initdb, "--no-sync", *who, "--encoding=UTF8", "data")
    return directory / "data"


def _run_as(user: str | None, directory: Path, *command: str) -> None:
    subprocess.run(command, cwd=directory, user=user, check=True, capture_output=True)


def _unprivileged_user() -> str:
    import pwd  # noqa: PLC0415 - only where there is a root user

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)


def require_pgaudit() -> Path:
    """The programs' directory of a PostgreSQL with pgaudit; without one skip or fail, likewise."""
    programs = require_postgresql()
    if not (programs.parent / "lib" / "pgaudit.so").exists():
        skip_without("pgaudit is not installed", "PURPOSEWATCH_REQUIRE_PGAUDIT")
    return programs


def require_postgresql() -> Path:
    """The programs' directory; without one skip the test, or fail it where they are required."""
    programs = binaries()
    if programs is None:
        skip_without(
            "PostgreSQL is not installed; its programs initdb and postgres are needed", _REQUIRED
        )
    return programs
