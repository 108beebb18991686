"""Users: the first one, and the command that manages them."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import select

from purposewatch_reporter.__main__ import main
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import accounts
from purposewatch_reporter.web.users.command import run_command
from purposewatch_reporter.web.users.first_user import FIRST_USERNAME, FirstUser
from purposewatch_reporter.web.users.passwords import Passwords, generate
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import find_user, is_username
from tests.unit.reporter.web.conftest import CHEAP, NOW


async def test_the_first_user_is_created_once(
    database: Database, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its password is logged once, and is the right one."""
    caplog.set_level(logging.INFO)
    passwords = Passwords(CHEAP)
    first = FirstUser(database, passwords, lambda: NOW)
    await first.start()
    said = capsys.readouterr().out + caplog.text
    await first.start()
    again = capsys.readouterr().out

    async with database.reading() as connection:
        user = await find_user(connection, FIRST_USERNAME)
    assert user is not None
    assert user.role is Role.OFFICER
    assert said.count("password is shown only once") == 1
    assert "password is shown" not in again
    [password] = {word.strip("'\"=,") for word in said.replace("=", " ").split() if is_ours(word)}
    assert await passwords.matches(password, user.password_hash)


def is_ours(word: str) -> bool:
    """Whether a word looks like a generated password."""
    groups = word.strip("'\"=,").split("-")
    return len(groups) == 5 and all(len(group) == 5 for group in groups)


def test_the_command_manages_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Add, list, reset, remove; a fault ends with status 1 and a line that says what to do."""
    monkeypatch.setenv("PURPOSEWATCH_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'b.db'}")

    assert run_command(["add", "ling", "--role", "officer"]) == 0
    first = capsys.readouterr().out
    assert first.startswith("ling (officer): ")
    assert run_command(["add", "ling"]) == 1
    assert "`reset` gives it a new password" in capsys.readouterr().err
    assert run_command(["add", "Not A Name"]) == 1
    assert "is not a valid name" in capsys.readouterr().err
    assert run_command(["reset", "ling"]) == 0
    second = capsys.readouterr().out
    assert second.split()[-1] != first.split()[-1]
    assert run_command(["list"]) == 0
    assert capsys.readouterr().out == "ling\tofficer\n"
    assert run_command(["remove", "ling"]) == 0
    assert run_command(["remove", "ling"]) == 1
    assert run_command(["reset", "ling"]) == 1


def test_the_former_name_of_the_command_is_deprecated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`accounts` still works, and names its successor."""
    monkeypatch.setenv("PURPOSEWATCH_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'b.db'}")
    for name, warning in (("accounts", "`accounts` is deprecated; use `users`\n"), ("users", "")):
        monkeypatch.setattr("sys.argv", ["purposewatch_reporter", name, "list"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code, capsys.readouterr().err) == (0, warning)


def test_passwords_are_long_and_never_the_same() -> None:
    """More than 120 bits, in groups that can be typed."""
    made = {generate() for _ in range(100)}

    assert len(made) == 100
    assert all(is_ours(password) for password in made)


@pytest.mark.parametrize("stored", [None, "no hash at all"])
async def test_without_a_password_nothing_matches(stored: str | None) -> None:
    """A user of another identity provider can't be entered with a password."""
    assert not await Passwords(CHEAP).matches("anything", stored)


async def test_a_user_may_have_no_password(database: Database) -> None:
    """Room for another identity provider."""
    async with database.writing() as connection:
        await connection.execute(
            accounts.insert().values(username="sso", role="viewer", created_time=NOW)
        )
    async with database.reading() as connection:
        assert (await connection.execute(select(accounts.c.password_hash))).scalar_one() is None


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("ling", True),
        ("a.b@c-d_e", True),
        ("", False),
        ("Ling", False),
        ("a b", False),
        ("-a", False),
        ("x" * 65, False),
        ("<b>", False),
    ],
)
def test_names_are_plain(name: str, fits: bool) -> None:  # noqa: FBT001 - a table of cases
    """They are shown everywhere."""
    assert is_username(name) == fits
