"""The connections fit into the files that the process may open."""

import resource

import pytest

from purposewatch_runtime.http.limits import (
    RESERVED_CONNECTIONS,
    FileLimitError,
    HttpLimits,
    ensure_file_limit,
)

NONE = resource.RLIM_INFINITY


class FileLimit:
    """Stands for the process's limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.value = (soft, hard)
        monkeypatch.setattr(resource, "getrlimit", lambda _: self.value)
        monkeypatch.setattr(resource, "setrlimit", self.set)

    def set(self, _: int, value: tuple[int, int]) -> None:
        """Change it, as far as the system allows."""
        soft, hard = value
        if hard not in (NONE, self.value[1]) or (hard != NONE and soft > hard):
            raise ValueError
        self.value = value


def test_a_limit_that_is_high_enough_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed, and nothing is lowered."""
    limit = FileLimit(monkeypatch, 4_096, 4_096)
    ensure_file_limit(HttpLimits())

    assert limit.value == (4_096, 4_096)


@pytest.mark.parametrize("hard", [65_536, NONE])
def test_the_soft_limit_is_raised(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    """More connections than the soft limit allows raise it, as far as they need."""
    limit = FileLimit(monkeypatch, 1_024, hard)
    limits = HttpLimits(max_connections=4_000)
    ensure_file_limit(limits)

    assert limit.value == (limits.files, hard)
    assert limits.files > 4_000 + RESERVED_CONNECTIONS


def test_a_hard_limit_that_is_too_low_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit a process could neither accept connections nor reload a file."""
    FileLimit(monkeypatch, 512, 1_024)

    with pytest.raises(FileLimitError, match=r"may open only 1024.*PURPOSEWATCH_HTTP_MAX_CONN"):
        ensure_file_limit(HttpLimits(max_connections=1_000))


def test_no_limit_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a limit keeps none."""
    limit = FileLimit(monkeypatch, NONE, NONE)
    ensure_file_limit(HttpLimits(max_connections=100_000))

    assert limit.value == (NONE, NONE)
