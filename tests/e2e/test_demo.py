"""The whole pipeline as a person starts it: `purposewatch demo` and `purposewatch check`."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "purposewatch_cli"]

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


class Demo:
    """A running demonstration, and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def children(self) -> dict[int, str]:
        """Its child processes with their command lines."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = (directory / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.process.pid:
                    command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(directory.name)] = command.decode()
        return found

    def child(self, module: str) -> int:
        [pid] = [pid for pid, command in self.children().items() if f"-m {module}" in command]
        return pid

    def audited(self) -> int:
        """How many audited events it has shown last."""
        seen = re.findall(r"([\d,]+) audited", self.output)
        return int(seen[-1].replace(",", "")) if seen else 0

    def until_audited(self, events: int) -> None:
        """Wait until it has shown this many audited events."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output
            if self.audited() >= events:
                return
            time.sleep(0.2)
        pytest.fail(f"nothing was audited:\n{self.output}")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait for its end; its exit status."""
        return self.process.wait(timeout=150)


@contextmanager
def demo(directory: Path, *arguments: str) -> Iterator[Demo]:
    """Start a demonstration in a session of its own, over the embedded broker."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PURPOSEWATCH_")
    }
    environment["TMPDIR"] = str(directory)
    output = directory / "output.txt"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [*COMMAND, "demo", "--rate", "200", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Demo(process, output)
    finally:
        if process.poll() is None:
            process.kill()  # its children go with it
        process.wait()


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_run_of_seconds_ends_reconciled(tmp_path: Path) -> None:
    """Everything that was sent is recorded as the generator knows it must be."""
    with demo(tmp_path, "--seconds", "8") as running:
        assert running.end() == 0, running.output

    assert "reconciled" in running.output.splitlines()[-1]
    assert re.search(r"compliance page: http://\S+, sign in as officer with \S+", running.output)
    assert "undeclared_third_party_sharing" in running.output
    assert "wrong" not in running.output
    assert list(tmp_path.glob("purposewatch-demo-*")) == []


def test_killing_the_auditor_half_way_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """It is started again and the ledger is reconciled in the end."""
    with demo(tmp_path) as running:
        running.until_audited(200)
        os.kill(running.child("purposewatch_auditor"), signal.SIGKILL)
        running.until_audited(running.audited() + 400)
        running.interrupt()

        assert running.end() == 0, running.output

    assert "services restarted: 1" in running.output


def test_killing_ingest_and_the_reporter_loses_nothing_either(tmp_path: Path) -> None:
    """Ingest may repeat itself, which is recognised; the reporter resumes from its ledger."""
    with demo(tmp_path) as running:
        running.until_audited(200)
        os.kill(running.child("purposewatch_reporter"), signal.SIGKILL)
        os.kill(running.child("purposewatch_ingest"), signal.SIGKILL)
        running.until_audited(running.audited() + 400)
        running.interrupt()

        assert running.end() == 0, running.output

    assert "services restarted: 2" in running.output


def test_ctrl_c_settles_the_ledger_and_leaves_no_process(tmp_path: Path) -> None:
    """One Ctrl-C: no more feeding, the check, the end."""
    with demo(tmp_path) as running:
        running.until_audited(200)
        children = running.children()
        assert len(children) == 4
        running.interrupt()

        assert running.end() == 0, running.output

    assert "reconciled" in running.output
    assert [pid for pid in children if runs(pid)] == []


def test_ctrl_c_while_starting_leaves_no_process(tmp_path: Path) -> None:
    """There is nothing to settle yet."""
    with demo(tmp_path) as running:
        deadline = time.monotonic() + 60
        while not (children := running.children()) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.interrupt()

        assert running.end() == 130, running.output

    assert [pid for pid in children if runs(pid)] == []
    assert list(tmp_path.glob("purposewatch-demo-*")) == []


def test_somebodys_own_events_are_fed_and_recorded(tmp_path: Path) -> None:
    """The file's end is the end."""
    events = ROOT / "docs" / "examples" / "visitor.jsonl"
    with demo(tmp_path, "--events", str(events)) as running:
        assert running.end() == 0, running.output

    assert "7 events in" in running.output
    assert "verdicts: 3 permitted, 4 violations, 0 unknown" in running.output


@pytest.mark.parametrize(
    ("role", "violations"),
    [("member", 3), ("member-employee", 2), ("mentor", 1), ("visitor", 3), ("user", 3)],
)
def test_the_example_files_are_checked_without_a_broker(role: str, violations: int) -> None:
    """As the documentation shows it."""
    done = subprocess.run(
        [*COMMAND, "check", f"docs/examples/{role}.jsonl"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    plural = "" if violations == 1 else "s"
    assert f"{violations} violation{plural}, 0 unknown" in done.stdout


def test_checking_a_pipe_that_is_closed_early_is_no_crash() -> None:
    """`| head` is how people look at long output."""
    line = (ROOT / "docs" / "examples" / "user.jsonl").read_bytes()
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m purposewatch_cli check --json - | head -n 1"],
        cwd=ROOT,
        input=line * 200,
        capture_output=True,
        check=False,
    )

    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
