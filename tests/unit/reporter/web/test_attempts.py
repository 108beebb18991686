"""How attempts to sign in are counted, whoever makes them and however many at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from purposewatch_reporter.store.engine import Database, Transactions
from purposewatch_reporter.store.tables import sign_in_failures, sign_in_networks
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.users.attempts import (
    KNOWN_FOR,
    MAX_KNOWN_NETWORKS,
    Attempt,
    Attempts,
)
from purposewatch_reporter.web.users.passwords import Passwords
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import User, add_user, remove_user
from purposewatch_reporter.web.users.throttle import SignInLimits, ThrottlePolicy
from tests.unit.reporter.web.conftest import NOW, PASSWORD, Browser, Clock, page_app

HOME, ELSEWHERE = "192.0.2.7", "198.51.100.9"
LIMITS = SignInLimits(
    account_and_address=ThrottlePolicy(free=5),
    address=ThrottlePolicy(free=8),
    account=ThrottlePolicy(free=12),
    max_counters=40,
)


@pytest.fixture
async def attempts(database: Database) -> Attempts:
    """Olivia has an account and has never signed in."""
    async with database.writing() as connection:
        await add_user(connection, User("olivia", Role.OFFICER), NOW)
    return Attempts(database, LIMITS)


async def succeed(
    database: Database, attempts: Attempts, attempt: Attempt, now: datetime = NOW
) -> None:
    """Sign in with the right password."""
    assert await attempts.begin(attempt, now) is None
    async with database.writing() as connection:
        await attempts.succeed(connection, attempt, now)


async def let_through(attempts: Attempts, made: Iterator[Attempt]) -> int:
    """How many of the attempts may compare a password."""
    return sum([await attempts.begin(attempt, NOW) is None for attempt in made])


async def counted(database: Transactions) -> dict[str, int]:
    """The failures under each key, by the key's kind."""
    async with database.reading() as connection:
        rows = await connection.execute(select(sign_in_failures))
        return {row.key.partition(":")[0]: row.failures for row in rows}


@asynccontextmanager
async def another_process(database: Database) -> AsyncIterator[Attempts]:
    """What a second reporter on the same database counts with."""
    url = SecretStr(database._url.render_as_string(hide_password=False))
    other = Database(url)
    yield Attempts(other, LIMITS)
    await other.stop()


async def test_of_parallel_guesses_exactly_the_limit_is_compared(
    database: Database, attempts: Attempts
) -> None:
    """Eighty at once, by two processes: each is counted before it is compared."""
    guess = Attempt("olivia", ELSEWHERE)
    async with another_process(database) as others:
        found = await asyncio.gather(
            *((attempts, others)[number % 2].begin(guess, NOW) for number in range(80))
        )

    assert found.count(None) == LIMITS.account_and_address.free
    assert await counted(database) == dict.fromkeys(("address", "account", "both"), 5)


async def test_whatever_happens_at_once_nobody_waits_for_another_for_ever(
    database: Database, attempts: Attempts
) -> None:
    """Counting, forgiving and pruning take their locks in one order, or skip what is locked."""
    async with another_process(database) as others:

        async def use(number: int) -> None:
            who = (attempts, others)[number % 2]
            attempt = Attempt(
                "olivia" if number % 3 else f"user-{number % 5}", f"192.0.2.{number % 4}"
            )
            await who.begin(attempt, NOW)
            async with database.writing() as connection:
                if number % 4 == 0:
                    await who.prune(connection, NOW)
                elif attempt.username == "olivia":
                    await who.succeed(connection, attempt, NOW)

        await asyncio.gather(*map(use, range(60)))


async def test_parallel_guesses_by_http_are_compared_as_often(
    desk: tuple[Any, WebApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eighty forms at once: five passwords are hashed."""
    looks = 0
    matches = Passwords.matches

    async def counting(self: Passwords, password: str, stored: str | None) -> bool:
        nonlocal looks
        looks += 1
        return await matches(self, password, stored)

    monkeypatch.setattr(Passwords, "matches", counting)
    browser = Browser(desk[0], "http://desk")
    async with browser.http:
        token = (await browser.hidden("/sign-in"))["form"]
        fields = {"form": token, "username": "olivia", "password": "a guess"}
        answers = await asyncio.gather(
            *(browser.http.post("/sign-in", data=fields) for _ in range(80))
        )

    assert looks == 5
    assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 75


async def test_strangers_elsewhere_lock_nobody_out(database: Database, attempts: Attempts) -> None:
    """Who has signed in from an address before may do so again, whatever others guess."""
    await succeed(database, attempts, Attempt("olivia", HOME))
    guesses = (Attempt("olivia", f"203.0.113.{number}") for number in range(100))

    assert await let_through(attempts, guesses) == LIMITS.account.free
    assert await attempts.begin(Attempt("olivia", "192.0.2.200"), NOW) is not None
    assert await attempts.begin(Attempt("olivia", HOME), NOW) is None


async def test_neighbours_lock_nobody_out(database: Database, attempts: Attempts) -> None:
    """Behind one address: what is guessed about others does not count for a user known there."""
    await succeed(database, attempts, Attempt("olivia", HOME))
    guesses = (Attempt(f"user-{number}", HOME) for number in range(100))

    assert await let_through(attempts, guesses) == LIMITS.address.free
    assert await attempts.begin(Attempt("user-new", HOME), NOW) is not None
    assert await attempts.begin(Attempt("olivia", HOME), NOW) is None


async def test_a_known_address_is_no_licence_to_guess(
    database: Database, attempts: Attempts
) -> None:
    """There the limit of account and address still holds."""
    await succeed(database, attempts, Attempt("olivia", HOME))
    guesses = (Attempt("olivia", HOME) for _ in range(20))

    assert await let_through(attempts, guesses) == LIMITS.account_and_address.free


async def test_the_right_password_forgives_ones_own_failures_only(
    database: Database, attempts: Attempts
) -> None:
    """Typing errors are forgotten everywhere, what others failed stays."""
    for _ in range(3):
        await attempts.begin(Attempt("olivia", ELSEWHERE), NOW)
    for _ in range(2):
        await attempts.begin(Attempt("nobody", HOME), NOW)
    for _ in range(3):
        await attempts.begin(Attempt("olivia", HOME), NOW)
    await succeed(database, attempts, Attempt("olivia", HOME))
    async with database.reading() as connection:
        rows = await connection.execute(
            select(sign_in_failures.c.failures).where(sign_in_failures.c.key.like("a%"))
        )

    # of both addresses, of `olivia` and of `nobody`
    assert sorted(rows.scalars()) == [2, 2, 3, 3]


async def test_the_last_free_attempt_leaves_no_pause_when_it_was_right(
    database: Database, attempts: Attempts
) -> None:
    """Nobody waits after having signed in."""
    for _ in range(4):
        await attempts.begin(Attempt("olivia", HOME), NOW)
    await succeed(database, attempts, Attempt("olivia", HOME))

    assert await counted(database) == {}
    assert await attempts.begin(Attempt("olivia", HOME), NOW) is None


async def test_failures_are_forgotten_after_a_day(attempts: Attempts) -> None:
    """Without one more in between."""
    guess = Attempt("olivia", HOME)
    for _ in range(5):
        await attempts.begin(guess, NOW)
    tomorrow = NOW + timedelta(hours=24, seconds=1)

    found = [await attempts.begin(guess, tomorrow) for _ in range(6)]
    assert found == [None] * 5 + [timedelta(seconds=2)]


async def test_known_addresses_are_bounded_and_forgotten(
    database: Database, attempts: Attempts
) -> None:
    """The latest so many of each user, for so long after the last sign-in."""
    for number in range(MAX_KNOWN_NETWORKS + 3):
        at = NOW + timedelta(seconds=number)
        await succeed(database, attempts, Attempt("olivia", f"203.0.113.{number}"), at)
    async with database.reading() as connection:
        networks = set((await connection.execute(select(sign_in_networks.c.network))).scalars())
    assert networks == {f"203.0.113.{number}" for number in range(3, MAX_KNOWN_NETWORKS + 3)}

    async with database.writing() as connection:
        await attempts.prune(connection, NOW + KNOWN_FOR + timedelta(minutes=1))
        count = select(func.count()).select_from(sign_in_networks)
        assert (await connection.execute(count)).scalar_one() == 0


async def test_counters_are_bounded_whatever_is_guessed(
    database: Database, attempts: Attempts
) -> None:
    """New names and addresses displace each other, not a counter with more failures."""
    for _ in range(5):
        await attempts.begin(Attempt("olivia", HOME), NOW)
    for number in range(80):
        attempt = Attempt(f"made-up-{number}", f"2001:db8:{number:x}::1")
        await attempts.begin(attempt, NOW + timedelta(milliseconds=number))
    async with database.reading() as connection:
        count = select(func.count()).select_from(sign_in_failures)
        stored = (await connection.execute(count)).scalar_one()

    assert stored <= LIMITS.max_counters + 3
    assert await attempts.begin(Attempt("olivia", HOME), NOW) is not None


async def test_a_blocked_attempt_stores_nothing(database: Database, attempts: Attempts) -> None:
    """Not even that a name was tried."""
    for number in range(8):
        await attempts.begin(Attempt(f"user-{number}", HOME), NOW)
    async with database.reading() as connection:
        before = (await connection.execute(select(sign_in_failures))).all()
    for number in range(50):
        assert await attempts.begin(Attempt(f"other-{number}", HOME), NOW) is not None
    async with database.reading() as connection:
        assert (await connection.execute(select(sign_in_failures))).all() == before


async def test_a_blocked_attempt_does_not_wait_for_writers(
    database: Database, attempts: Attempts
) -> None:
    """So that a flood of them neither delays the ledger nor is delayed by it."""
    guess = Attempt("olivia", HOME)
    for _ in range(5):
        await attempts.begin(guess, NOW)
    async with database.writing(), asyncio.timeout(2):
        assert await attempts.begin(guess, NOW) == timedelta(seconds=2)


async def test_a_removed_user_is_removed_whole(database: Database, attempts: Attempts) -> None:
    """With the addresses that were known."""
    await succeed(database, attempts, Attempt("olivia", HOME))
    async with database.writing() as connection:
        assert await remove_user(connection, "olivia")
        count = select(func.count()).select_from(sign_in_networks)
        assert (await connection.execute(count)).scalar_one() == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
        ("x" * 100, "x" * 64),
    ],
)
def test_what_stands_for_an_address(address: str, network: str) -> None:
    """A host may choose any of the 2^64 addresses of its IPv6 network."""
    assert Attempt("olivia", address).network == network


async def test_typing_errors_in_a_new_password_are_no_guesses(
    officer: Browser, desk: tuple[Any, WebApp]
) -> None:
    """However many."""
    for new, repeated in (("short", "short"), ("a much better one", "a much better"), ("", "x")):
        for _ in range(10):
            fields = {"current": PASSWORD, "new": new, "repeated": repeated}
            assert (await officer.send("/account", fields)).status_code == 400

    assert await counted(desk[1].database) == {}


async def test_wrong_current_passwords_are_guesses(officer: Browser) -> None:
    """Who took over a session must not find the password by trying."""
    fields = {"current": "a guess", "new": "a much better one", "repeated": "a much better one"}
    answers = [await officer.send("/account", fields) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [400] * 5 + [429]


async def test_failed_attempts_are_logged_without_what_was_typed(
    browser: Browser,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the address, a few times; a password may have been typed as the name."""
    for number in range(12):
        await browser.sign_in("hunter2-as-a-name", f"hunter2-{number}")
    said = capsys.readouterr().out + caplog.text

    assert said.count("sign-in failed") == said.count(HOME) == 3
    assert "hunter2" not in said


async def test_the_limits_are_settings(filled: Database, clock: Clock) -> None:
    """Two failures are free here."""
    app, _ = page_app(filled, clock, reporter_sign_in_failures=2)
    browser = Browser(app, "http://desk")
    async with browser.http:
        answers = [await browser.sign_in("olivia", "wrong") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]
