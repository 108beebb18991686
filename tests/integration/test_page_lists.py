"""Lists, gaps, trail and sign-in on PostgreSQL: the same tests as on SQLite."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.gaps.test_record import (
    test_names_beyond_the_limit_are_counted_together,
    test_old_days_and_unused_names_are_pruned,
    test_repeats_and_redeliveries_count_once,
    test_the_trend_compares_two_weeks,
)
from tests.unit.reporter.web.conftest import browser, clock, desk, filled, officer
from tests.unit.reporter.web.test_attempts import (
    attempts,
    test_counters_are_bounded_whatever_is_guessed,
    test_of_parallel_guesses_exactly_the_limit_is_compared,
    test_whatever_happens_at_once_nobody_waits_for_another_for_ever,
)
from tests.unit.reporter.web.test_lists import (
    test_a_search_that_finds_little_pauses_and_goes_on,
    test_an_export_holds_everything_that_matches,
    test_going_back_shows_the_pages_before,
    test_pages_hold_what_a_plain_search_finds,
)
from tests.unit.reporter.web.test_triage import test_the_trail_can_only_grow

__all__ = [
    "attempts",
    "browser",
    "clock",
    "desk",
    "filled",
    "officer",
    "test_a_search_that_finds_little_pauses_and_goes_on",
    "test_an_export_holds_everything_that_matches",
    "test_counters_are_bounded_whatever_is_guessed",
    "test_going_back_shows_the_pages_before",
    "test_names_beyond_the_limit_are_counted_together",
    "test_of_parallel_guesses_exactly_the_limit_is_compared",
    "test_old_days_and_unused_names_are_pruned",
    "test_pages_hold_what_a_plain_search_finds",
    "test_repeats_and_redeliveries_count_once",
    "test_the_trail_can_only_grow",
    "test_the_trend_compares_two_weeks",
    "test_whatever_happens_at_once_nobody_waits_for_another_for_ever",
]

pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[PostgreSQL]:
    """A server of these tests' own."""
    with PostgreSQL(require_postgresql()) as running:
        await running.start()
        yield running


@pytest.fixture
async def database(server: PostgreSQL) -> AsyncIterator[Database]:
    """An empty database with the current schema, in place of the one on SQLite."""
    opened = Database(SecretStr(server.url(await server.create_database())))
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
def ledger_writer(database: Database) -> LedgerWriter:
    """A ledger writer for that database."""
    return ledger_writer_of(database)


@pytest.mark.parametrize(
    ("table", "column"),
    [("triage_acts", "author"), ("exports", "author"), ("export_ends", "outcome")],
)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {} = ''", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
async def test_a_trail_refuses_every_way_to_change_it(
    database: Database, table: str, column: str, statement: str
) -> None:
    """Also emptying it at once, which SQLite does not know, and while nothing is in it."""
    with pytest.raises(DBAPIError, match="is append-only"):
        async with database.writing() as connection:
            await connection.execute(text(statement.format(table, column)))
