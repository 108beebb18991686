"""The spool keeps what it took, within its limits, and says what it did not take."""

import errno
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from purposewatch_client import NotRecordedError
from purposewatch_client.spool.backlog import read_backlog
from purposewatch_client.spool.directory import SpoolDirectory
from purposewatch_client.spool.reader import BatchLimits, read_batch, settle
from purposewatch_client.spool.refused import RefusedFile
from purposewatch_client.spool.segment import HEADER_SIZE, MAX_PAYLOAD
from purposewatch_client.spool.writer import SpoolWriter

LIMITS = BatchLimits(1000, 1_000_000)


def make_writer(path: Path, *, segment: int = 4096, most: int = 1 << 20) -> SpoolWriter:
    """A writer to a directory."""
    return SpoolWriter(
        SpoolDirectory(path, "/portal"), segment_bytes=segment, max_bytes=most, fsync=False
    )


def read_all(path: Path, source: str = "/portal") -> list[bytes]:
    """Adopt every segment that has no owner, and read it."""
    directory, read = SpoolDirectory(path, source), []
    while (segment := directory.adopt()) is not None:
        while (batch := read_batch(segment, LIMITS, growing=False)).records:
            read += [record.payload for record in batch.records]
            settle(segment, batch.position)
        segment.delete()
    return read


def release(writer: SpoolWriter) -> None:
    """What the kernel does when the process ends."""
    for segment in writer.detach():
        segment.release()


def test_records_outlive_their_writer(tmp_path: Path) -> None:
    """Over several segments, in order."""
    writer = make_writer(tmp_path / "new" / "spool")
    written = [f"{number}".encode() * 100 for number in range(100)]
    for payload in written:
        writer.append(payload)
    assert writer.created > 2
    assert all(each.stat().st_size <= 4096 for each in (tmp_path / "new" / "spool").iterdir())
    assert read_all(tmp_path / "new" / "spool") == []  # its writer lives
    release(writer)
    assert read_all(tmp_path / "new" / "spool") == written
    assert list((tmp_path / "new" / "spool").iterdir()) == []


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    """They hold identifiers of data subjects."""
    spool = tmp_path / "spool"
    make_writer(spool).append(b"1")
    RefusedFile(spool, 1000).write(b"{}", "invalid-event", ["advice"])
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in spool.iterdir()} == {0o600}


def test_settled_records_are_not_read_again(tmp_path: Path) -> None:
    """The position outlives the process that settled them."""
    writer = make_writer(tmp_path)
    for payload in (b"1", b"2", b"3"):
        writer.append(payload)
    batch = read_batch(writer.segments[0], BatchLimits(2, 1000), growing=True)
    settle(writer.segments[0], batch.position)
    assert read_backlog(SpoolDirectory(tmp_path, "/portal")).bytes > 0
    release(writer)
    assert read_all(tmp_path) == [b"3"]
    assert read_backlog(SpoolDirectory(tmp_path, "/portal")).oldest_ms is None


def test_a_damaged_position_sends_again(tmp_path: Path) -> None:
    """A repeat is recognised, a loss is not."""
    writer = make_writer(tmp_path)
    writer.append(b"1")
    segment = writer.segments[0]
    settle(segment, read_batch(segment, LIMITS, growing=True).position)
    os.pwrite(segment.fd, b"\xff" * 4, 10)
    release(writer)
    assert read_all(tmp_path) == [b"1"]


def test_one_process_adopts_a_segment(tmp_path: Path) -> None:
    """The lock decides; another source's segments are left to their own service."""
    writer = make_writer(tmp_path)
    writer.append(b"1")
    release(writer)
    first, second = (SpoolDirectory(tmp_path, "/portal") for _ in range(2))
    segment = first.adopt()
    assert segment is not None
    assert second.adopt() is None
    segment.release()
    assert read_all(tmp_path, "/crm") == []
    assert read_all(tmp_path, "/portal") == [b"1"]


def test_what_a_crash_left_unnamed_is_deleted_later(tmp_path: Path) -> None:
    """Not at once: its creator may live."""
    directory = SpoolDirectory(tmp_path, "/portal")
    for name, age in (("old.new", 7200), ("young.new", 0)):
        (tmp_path / name).touch()
        now = (tmp_path / name).stat().st_mtime
        os.utime(tmp_path / name, (now - age, now - age))
    assert directory.adopt() is None
    assert [each.name for each in tmp_path.iterdir()] == ["young.new"]


def test_a_full_spool_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    """The limit holds for the directory, and room is found again."""
    writer = make_writer(tmp_path, segment=4096, most=3 * 4096)
    for _ in range(9):
        writer.append(b"x" * 1000)
    with pytest.raises(NotRecordedError) as raised:
        writer.append(b"x" * 1000)
    assert raised.value.reason == "full"
    recorded = writer.recorded
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 3 * 4096
    writer.segments.popleft().delete()
    writer._failure = None  # a tenth of a second passes
    writer.append(b"x" * 1000)
    assert writer.recorded == recorded + 1


def test_a_disk_without_room_for_a_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that was written is cut off, and what comes later can be read."""
    writer = make_writer(tmp_path)
    writer.append(b"1")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(NotRecordedError) as raised:
        writer.append(b"2" * 50)
    assert raised.value.reason == "disk_full"
    monkeypatch.undo()
    writer.append(b"3")
    segment = writer.segments[0]
    assert os.fstat(segment.fd).st_size == segment.size
    assert len(read_batch(segment, LIMITS, growing=False).records) == 2


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "unwritable")]
)
def test_a_disk_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    """An error of its own, whichever the system call."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    writer = make_writer(tmp_path)
    writer.append(b"1")
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(NotRecordedError, match=os.strerror(number)) as raised:
        writer.append(b"2")
    assert raised.value.reason == reason


def test_a_directory_that_can_not_be_made(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(NotRecordedError) as raised:
        make_writer(tmp_path / "file" / "spool").append(b"1")
    assert raised.value.reason == "unwritable"


def test_a_shared_place_is_not_trusted(tmp_path: Path) -> None:
    """Somebody else could have created the directory in it, and read along."""
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o777)
    spool.chmod(0o777)
    directory = SpoolDirectory(spool, "/portal", private=True)
    with pytest.raises(PermissionError, match="not this user's own"):
        directory.create(1000, 10_000)


def test_an_event_that_is_too_large(tmp_path: Path) -> None:
    """It would not be read back."""
    with pytest.raises(NotRecordedError) as raised:
        make_writer(tmp_path).append(b"x" * (MAX_PAYLOAD + 1))
    assert raised.value.reason == "too_large"


def test_a_signal_handler_may_record(tmp_path: Path) -> None:
    """While its own thread is writing; nothing waits for itself, and nothing is lost."""
    writer = make_writer(tmp_path, segment=1 << 16, most=1 << 26)
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        writer.append(b"signal" * 20)

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(5000):
            writer.append(b"call" * 20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert handled > 5
    release(writer)
    read = read_all(tmp_path)
    assert (read.count(b"call" * 20), read.count(b"signal" * 20)) == (5000, handled)


def test_threads_share_a_writer(tmp_path: Path) -> None:
    """Every record is whole, also where segments change."""
    writer = make_writer(tmp_path, segment=1 << 14, most=1 << 26)

    def write(name: str) -> None:
        for number in range(1000):
            writer.append(f"{name}-{number}".encode())

    threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release(writer)
    assert len(set(read_all(tmp_path))) == 4000 == writer.recorded


def test_the_file_of_refused_events_is_bounded(tmp_path: Path) -> None:
    """The oldest are given up."""
    refused = RefusedFile(tmp_path, 2000)
    for number in range(100):
        refused.write(f'{{"id":"e-{number}"}}'.encode(), "invalid-event", ["/data/role is missing"])
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["refused.1.jsonl", "refused.jsonl"]
    assert sum(each.stat().st_size for each in files) <= 2000
    assert '"event":{"id":"e-99"}' in files[1].read_text("utf-8")


def test_every_event_can_be_synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `fsync="always"` the disk has it before the call returns."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    directory = SpoolDirectory(tmp_path, "/portal")
    never, always = (
        SpoolWriter(directory, segment_bytes=4096, max_bytes=1 << 20, fsync=fsync)
        for fsync in (False, True)
    )
    never.append(b"1")
    assert synced == []
    always.append(b"1")
    assert synced == [always.segments[0].fd]
    assert always.segments[0].size > HEADER_SIZE
