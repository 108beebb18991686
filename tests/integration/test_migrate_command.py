"""The command that migrates before an upgrade, on PostgreSQL."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr
from sqlalchemy import text

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.migrate import migrate
from purposewatch_runtime.service import FatalError
from tests.harness.certificates import Authority
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.unit.reporter.epochs.test_migration import to_version
from tests.unit.reporter.test_migrations import differences

EARLIER = "0012"


@pytest.fixture
async def url() -> AsyncIterator[SecretStr]:
    """A database with the schema of an earlier version."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        address = SecretStr(server.url(await server.create_database()))
        database = Database(address)
        async with database.writing() as connection:
            await connection.run_sync(to_version, EARLIER)
        await database.stop()
        yield address


async def test_no_schema_changes_under_a_connected_reporter(url: SecretStr) -> None:
    """It waits, then fails and changes nothing; when the reporter has left, it migrates."""
    reporter = Database(url)
    async with reporter.reading() as connection:
        with pytest.raises(FatalError, match="reporters are connected to the database; stop"):
            await migrate(url)
        version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        assert version == EARLIER

    waiting = asyncio.create_task(migrate(url, wait_seconds=20))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await reporter.stop()
    assert (await waiting).startswith(f"schema migrated from {EARLIER} to ")

    async with reporter.reading() as connection:
        assert await connection.run_sync(differences) == []
        assert (await migrate(url)).startswith("the schema is up to date")  # nothing to wait for
    await reporter.stop()


async def test_the_server_is_verified_as_the_drivers_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Helm chart sets them: encrypted, and only with a certificate of the stated authority."""
    known, other = Authority(tmp_path), Authority(tmp_path, "other")
    with PostgreSQL(require_postgresql(), {"ssl": "on"}) as server:
        address = x509.IPAddress(IPv4Address("127.0.0.1"))
        pair = known.issue("server", address).read_bytes()
        for name in ("server.crt", "server.key"):
            path = server._directory / "data" / name
            path.write_bytes(pair)
            path.chmod(0o600)
            if server._user:
                shutil.chown(path, server._user)
        await server.start()
        url = SecretStr(server.url(await server.create_database()))
        monkeypatch.setenv("PGSSLMODE", "verify-full")

        monkeypatch.setenv("PGSSLROOTCERT", str(other.cafile))
        with pytest.raises(ssl.SSLCertVerificationError):
            await migrate(url)

        monkeypatch.setenv("PGSSLROOTCERT", str(known.cafile))
        assert (await migrate(url)).startswith("schema migrated from nothing to ")
        database = Database(url)
        async with database.reading() as connection:
            encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert await connection.scalar(text(encrypted)) is True
        await database.stop()
