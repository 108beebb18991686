"""A directory on disk: valid changes are loaded, faulty ones are not."""

from pathlib import Path

import pytest

from purposewatch_runtime.service import FileReloader


def load(directory: Path) -> str:
    """Stands for a loader that refuses some contents."""
    text = (directory / "a.yaml").read_text(encoding="utf-8")
    if "bad" in text:
        message = "cannot be loaded"
        raise ValueError(message)
    return text


def watch(directory: Path, results: list[Exception | None]) -> FileReloader[str]:
    """A reloader that records what it reports."""
    return FileReloader(directory, load, interval=0.01, on_result=results.append)


def test_valid_change_is_loaded(tmp_path: Path) -> None:
    """A changed file replaces the value and is reported as a success."""
    (tmp_path / "a.yaml").write_text("one")
    results: list[Exception | None] = []
    watched = watch(tmp_path, results)
    (tmp_path / "a.yaml").write_text("two")

    assert watched.refresh()
    assert watched.current == "two"
    assert results == [None]


def test_unchanged_files_are_not_loaded_again(tmp_path: Path) -> None:
    """Touching a file without changing it does nothing."""
    (tmp_path / "a.yaml").write_text("one")
    results: list[Exception | None] = []
    watched = watch(tmp_path, results)
    (tmp_path / "a.yaml").touch()

    assert not watched.refresh()
    assert results == []


def test_bad_change_keeps_the_last_good_value(tmp_path: Path) -> None:
    """A faulty file is reported and the value stays; a corrected file is loaded."""
    (tmp_path / "a.yaml").write_text("one")
    results: list[Exception | None] = []
    watched = watch(tmp_path, results)

    (tmp_path / "a.yaml").write_text("bad")
    assert not watched.refresh()
    assert watched.current == "one"
    (tmp_path / "a.yaml").write_text("three")
    assert watched.refresh()

    assert watched.current == "three"
    assert [isinstance(result, ValueError) for result in results] == [True, False]


def test_vanished_directory_keeps_the_last_good_value(tmp_path: Path) -> None:
    """Files that disappear are an error like any other."""
    (tmp_path / "a.yaml").write_text("one")
    results: list[Exception | None] = []
    watched = watch(tmp_path, results)
    (tmp_path / "a.yaml").unlink()

    assert not watched.refresh()
    assert watched.current == "one"
    assert isinstance(results[0], FileNotFoundError)


def test_reverted_fault_is_over(tmp_path: Path) -> None:
    """Restoring the files in use ends the failure, once, without a reload."""
    (tmp_path / "a.yaml").write_text("one")
    results: list[Exception | None] = []
    watched = watch(tmp_path, results)

    (tmp_path / "a.yaml").write_text("bad")
    watched.refresh()
    (tmp_path / "a.yaml").write_text("one")
    assert not watched.refresh()
    assert not watched.refresh()

    assert [isinstance(result, ValueError) for result in results] == [True, False]


def test_first_load_must_succeed(tmp_path: Path) -> None:
    """A service does not start on faulty files."""
    (tmp_path / "a.yaml").write_text("bad")

    with pytest.raises(ValueError, match="cannot be loaded"):
        watch(tmp_path, [])


async def test_it_checks_periodically(tmp_path: Path) -> None:
    """Once started, a change is noticed without a call."""
    import asyncio  # noqa: PLC0415 - only this test waits

    (tmp_path / "a.yaml").write_text("one")
    watched = watch(tmp_path, [])
    await watched.start()
    (tmp_path / "a.yaml").write_text("two")
    async with asyncio.timeout(5):
        while watched.current != "two":
            await asyncio.sleep(0.01)
    await watched.stop()

    assert watched.current == "two"
