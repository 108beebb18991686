"""Following a log as `tail -F` does."""

from pathlib import Path

import pytest

from purposewatch_connect.pgaudit.entries import JsonFormat, PrefixFormat
from purposewatch_connect.pgaudit.follow import MAX_CHUNK, LogFollower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that does not exist yet."""
    return tmp_path / "log" / "postgresql.json"


def follower(log: Path, *, name: str | None = None) -> LogFollower:
    """A follower as it is after a start: with nothing but what was stored."""
    log.parent.mkdir(exist_ok=True)
    path = log if name is None else log.with_name(name)
    return LogFollower(path, log.parent.parent / "state.json", JsonFormat())


def append(log: Path, *lines: str, end: str = "\n") -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + end)


def read_all(following: LogFollower) -> list[str]:
    """Read and commit until there is nothing more."""
    found: list[str] = []
    while batch := following.poll():
        found += [entry.rstrip("\n") for entry in batch.entries]
        following.commit(batch)
    return found


def test_reads_what_is_appended(log: Path) -> None:
    """From the beginning of the file, once each, also across restarts."""
    following = follower(log)
    assert following.poll() is None
    append(log, "1", "2")
    assert read_all(following) == ["1", "2"]
    append(log, "3")
    assert read_all(follower(log)) == ["3"]
    assert read_all(follower(log)) == []


def test_an_unfinished_line_waits(log: Path) -> None:
    """It is read when its end is there."""
    following = follower(log)
    append(log, "1", "2", end="")
    assert read_all(following) == ["1"]
    append(log, "2", "3")
    assert read_all(following) == ["22", "3"]


def test_what_was_not_committed_is_read_again(log: Path) -> None:
    """A crash between reading and publishing loses nothing."""
    append_to = follower(log)
    append(log, "1", "2")
    assert append_to.poll() is not None
    assert read_all(follower(log)) == ["1", "2"]


@pytest.mark.parametrize("restart", [False, True])
def test_rotation_by_renaming(log: Path, *, restart: bool) -> None:
    """The rest of the old file first, then the new one."""
    following = follower(log)
    append(log, "1")
    assert read_all(following) == ["1"]
    append(log, "2")
    log.rename(log.with_name("postgresql.json.1"))
    append(log, "3")
    assert read_all(follower(log) if restart else following) == ["2", "3"]


def test_several_rotations_while_it_was_down(log: Path) -> None:
    """The files are read in the order in which they were written."""
    append_to = follower(log)
    append(log, "1")
    assert read_all(append_to) == ["1"]
    for number in (2, 3):
        append(log, str(number))
        log.rename(log.with_name(f"postgresql.json.{number}"))
    append(log, "4")
    assert read_all(follower(log)) == ["2", "3", "4"]


def test_rotation_to_names_with_a_date(log: Path) -> None:
    """As PostgreSQL's logging collector does it."""
    append_to = follower(log, name="p-*.json")
    append(log.with_name("p-1.json"), "1")
    append(log.with_name("p-2.json"), "2")
    assert read_all(append_to) == ["1", "2"]
    append(log.with_name("p-3.json"), "3")
    assert read_all(follower(log, name="p-*.json")) == ["3"]


def test_files_beside_the_log_are_not_read(log: Path) -> None:
    """Another log whose name begins alike, and predecessors that were compressed."""
    following = follower(log)
    append(log, "1")
    append(log.with_name("postgresql.json.csv"), "2")
    append(log.with_name("postgresql.json.2.gz"), "3")
    assert read_all(following) == ["1"]


@pytest.mark.parametrize("content", ["9", "123"])
def test_truncation(log: Path, content: str) -> None:
    """A file that was emptied is read from its beginning, though it may have grown since."""
    following = follower(log)
    append(log, "1", "2")
    assert read_all(following) == ["1", "2"]
    log.write_text(f"{content}\n{content}\n", encoding="utf-8")
    assert read_all(following) == [content, content]


def test_an_entry_without_an_end_is_skipped_and_counted(log: Path) -> None:
    """Memory is bounded, and what follows is read."""
    following = follower(log)
    append(log, "x" * (MAX_CHUNK + 10), "2")
    batch = following.poll()
    assert batch is not None
    assert (batch.entries, batch.skipped) == ((), 1)
    following.commit(batch)
    assert read_all(following)[-1] == "2"


def test_the_last_entry_of_stderr_is_read_at_rest(log: Path) -> None:
    """Whether further lines belong to it shows only when none come."""
    log.parent.mkdir()
    following = LogFollower(log, log.parent.parent / "state.json", PrefixFormat("%m%c%l%u%d"))
    append(log, "a", "\tb")
    assert following.poll() is None
    batch = following.poll()
    assert batch is not None
    assert batch.entries == ("a\n\tb\n",)
