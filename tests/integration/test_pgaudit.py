"""A real PostgreSQL with pgaudit, and the connector behind it as a process of its own."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import pytest
import pytest_asyncio

from purposewatch_connect.pgaudit.entries import CsvFormat, JsonFormat, LogFormat, PrefixFormat
from tests.harness.environment import POLICIES, variables
from tests.harness.fake_ingest import FakeIngest
from tests.harness.ports import take_port
from tests.harness.postgresql import PostgreSQL, require_pgaudit
from tests.harness.process import Server

ROOT = Path(__file__).parents[2]
PREFIX = "%m [%p] %q%u@%d %a %c %l "
SECRET = "ann.secret@example.org"
SCHEMA = """
CREATE ROLE front_desk LOGIN;
COMMENT ON ROLE front_desk IS 'The reception. purposewatch: front-desk';
CREATE TABLE members (member_id int PRIMARY KEY, name text, email text, phone_home text,
                      created_at timestamptz DEFAULT now());
CREATE TABLE visits (id int, visitor_id int, arrived timestamptz);
CREATE TABLE salaries (member_id int, amount int);
CREATE VIEW contacts AS SELECT member_id, email AS mail FROM members;
INSERT INTO members VALUES
  (1, 'Ann', 'ann.secret@example.org', '1'), (2, 'Bob', 'b@example.org', '2');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO front_desk;
"""


def seen(ingest: FakeIngest) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """Who did what for which purpose with whose data, and which: each event once, by its id."""
    events = {event["id"]: event for event in ingest.accepted if "data" in event}
    return sorted(
        (
            event["source"],
            event["data"]["operation"],
            event["data"]["purpose"],
            event["data"]["subject_id"],
            tuple(event["data"]["data_categories"]),
        )
        for event in events.values()
    )


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """Ingest's stand-in."""
    with FakeIngest() as ingest:
        yield ingest


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[PostgreSQL]:
    """A server that logs reads and writes, with the tables of the example mapping."""
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o777)
    logs.chmod(0o777)
    # the server may run as another user, who has to get there
    for directory in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in directory.parents:
            directory.chmod(0o755)
    settings = {
        "shared_preload_libraries": "pgaudit",
        "pgaudit.log": "read,write",
        "pgaudit.log_parameter": "on",
        "log_line_prefix": PREFIX,
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_destination": "stderr,csvlog,jsonlog",
        "log_directory": str(logs),
        "log_filename": "postgresql.log",
        "log_file_mode": "0644",
        "fsync": "off",
    }
    with PostgreSQL(require_pgaudit(), settings) as postgresql:
        await postgresql.start()
        connection = await asyncpg.connect(postgresql.dsn("postgres"))
        await connection.execute("CREATE DATABASE portal")
        await connection.close()
        connection = await asyncpg.connect(postgresql.dsn("portal"))
        await connection.execute("CREATE EXTENSION pgaudit; SET pgaudit.log = none;" + SCHEMA)
        await connection.close()
        yield postgresql


async def run(
    postgresql: PostgreSQL, *statements: tuple[Any, ...], application: str, user: str
) -> None:
    """Run statements, each with its parameters."""
    connection = await asyncpg.connect(
        postgresql.dsn("portal"), user=user, server_settings={"application_name": application}
    )
    try:
        for statement, *parameters in statements:
            await connection.fetch(statement, *parameters)
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true, with a bound."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def connector(
    database: PostgreSQL, ingest: FakeIngest, tmp_path: Path
) -> AsyncIterator[Server]:
    """The connector, following csvlog."""
    settings = variables(
        connect_mapping_file=ROOT / "connectors" / "examples" / "mapping.yaml",
        connect_pgaudit_http_port=(port := take_port()),
        connect_pgaudit_log=tmp_path / "logs" / "postgresql.csv",
        connect_pgaudit_dsn=database.dsn("portal"),
        connect_state_dir=tmp_path,
        policies_dir=POLICIES,
        client_ingest_url=ingest.url,
        client_key="k",
        client_spool=tmp_path / "spool",
        client_linger_seconds=0.05,
        log_format="json",
    )
    command = [sys.executable, "-m", "purposewatch_connect", "pgaudit"]
    async with Server(command, settings, port=port) as running:
        await running.wait_ready()
        yield running


FRONT_DESK = "/query-log/front-desk"
ACCESS_CONTROL = "essential.service.access_control"
PROVISION = "essential.service.provision"


async def test_statements_become_events_once(
    connector: Server, database: PostgreSQL, ingest: FakeIngest, tmp_path: Path
) -> None:
    """Also across a crash of the connector and a rotation of the log."""
    await run(
        database,
        ("SELECT mail FROM contacts WHERE member_id = $1", 2),
        ("SELECT * FROM members",),
        ("SELECT email FROM members WHERE member_id = 1 AND email = 'ann.secret@example.org'",),
        ("SELECT count(*) FROM members",),
        ("SELECT amount FROM salaries",),
        application="psql",
        user="front_desk",
    )
    await until(lambda: len(seen(ingest)) == 3)
    connector.kill()
    log = tmp_path / "logs" / "postgresql.csv"
    await run(
        database,
        ("UPDATE members SET name = $1 WHERE member_id = $2", SECRET, 1),
        application=f"portal:{PROVISION}",
        user="purposewatch",
    )
    log.rename(log.with_suffix(".csv.1"))
    await run(database, ("SELECT pg_rotate_logfile()",), application="", user="purposewatch")
    await until(log.exists)
    await run(
        database,
        ("DELETE FROM members WHERE member_id = ANY($1)", [1, 2]),
        application="portal",
        user="purposewatch",
    )
    connector.start()
    # The update reads the column that it finds its row by.
    await until(lambda: len(seen(ingest)) >= 7)
    await asyncio.sleep(0.5)

    unique, contacts = "user.unique_id", "user.contact.email"
    everything = (unique, "user.name", contacts, "user.contact.phone_number")
    assert seen(ingest) == sorted(
        [
            (FRONT_DESK, "use", ACCESS_CONTROL, "2", (unique, contacts)),
            (FRONT_DESK, "use", ACCESS_CONTROL, "every-member", everything),
            (FRONT_DESK, "use", ACCESS_CONTROL, "1", (contacts, unique)),
            ("/query-log/portal", "store", PROVISION, "1", ("user.name",)),
            ("/query-log/portal", "use", PROVISION, "1", (unique,)),
            ("/query-log/portal", "erase", PROVISION, "1", everything),
            ("/query-log/portal", "erase", PROVISION, "2", everything),
        ]
    )
    assert SECRET not in connector.logs
    assert '"name": "portal.public.salaries"' in connector.logs
    same_in_every_format(tmp_path / "logs")


def same_in_every_format(logs: Path) -> None:
    """PostgreSQL has written each entry in three formats, and each reads the same."""
    formats: dict[str, LogFormat] = {
        "csv": CsvFormat(),
        "json": JsonFormat(),
        "log": PrefixFormat(PREFIX),
    }
    found = []
    for suffix, log_format in formats.items():
        content = (logs / f"postgresql.{suffix}").read_bytes()
        ends = list(log_format.split(content, at_rest=True))
        texts = [content[begin:end].decode() for begin, end in pairwise([0, *ends])]
        entries = [entry for text in texts if (entry := log_format.read(text)) is not None]
        found.append({(entry.session, entry.line): entry for entry in entries})
    by_csv, by_json, by_prefix = found
    assert by_csv
    assert by_csv.items() <= by_json.items()
    assert by_csv.items() <= by_prefix.items()
