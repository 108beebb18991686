"""Which passwords are refused because they are soon guessed."""

import time

import pytest

from purposewatch_reporter.web.users.guessable import is_guessable
from purposewatch_reporter.web.users.passwords import MAX_LENGTH, generate


@pytest.mark.parametrize(
    "password",
    [
        "123456789012",  # common
        "qwertyuiop123",
        "unbelievable",
        "1qaz2wsx3edc",
        "passwordpassword",  # trivial variants of common ones
        "Password1234!",
        "P@ssw0rd2026",
        "drowssap4321",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "Purposewatch1!",  # the product
        "purposewatch2026",
        "PurposeWatch123",
        "compliance-officer",
        "ling.chen@example.org",  # the user
        "ling.chen2026",
        "chen-ling-1234",
        "Chen19800101",
    ],
)
def test_what_is_soon_guessed_is_refused(password: str) -> None:
    """Common passwords, the product's and the user's names, and what is easily made of them."""
    assert is_guessable(password, "ling.chen@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "a much better one",
        "correct horse battery",
        "vK7#pq2!xZ4m",
        "我的密码是一只会飞的猫和茶壶",
        pytest.param(generate(), id="generated"),
    ],
)
def test_what_is_not_soon_guessed_is_accepted(password: str) -> None:
    """Passphrases and random passwords, in any script."""
    assert not is_guessable(password, "ling.chen@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "p4$5w0rd" * 16,
        "4@8({[<369|!1/|0$5+7%2" * 6,
        "aB1" * 43,
        "19991231" * 16,
    ],
)
def test_no_password_keeps_the_reporter_busy(password: str) -> None:
    """The longest that are taken, made to be slow to look at."""
    started = time.thread_time()
    is_guessable(password[:MAX_LENGTH], "ling")

    assert time.thread_time() - started < 2
