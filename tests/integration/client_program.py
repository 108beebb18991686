"""A service that publishes with the client and ends in some way: `python client_program.py NAME`.

The client is configured by the environment. Whatever a call returned for is written to the standard
output, one subject a line, so that a test knows what must arrive.
"""

import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from typing import Any

import purposewatch_client as purposewatch


def record(subject: str) -> None:
    """Record an event, and then say so in one write."""
    event_id = purposewatch.record(
        subject=subject, operation="use", purpose="essential.service", categories="user.name"
    )
    if event_id is not None:
        os.write(1, f"{subject}\n".encode())


def record_some(name: str, events: int = 20) -> None:
    """Record events with subjects of this name."""
    for number in range(events):
        record(f"{name}-{number}")


def busy() -> None:
    """Record in two threads until somebody kills the process."""

    def run(name: str) -> None:
        for number in itertools.count():
            record(f"{name}-{number}")

    threading.Thread(target=run, args=("second",), daemon=True).start()
    run("first")


def abort() -> None:
    """End without any exit handler right after the last event."""
    record_some("aborted", 200)
    os._exit(0)


def end() -> None:
    """End as programs do."""
    record_some("ended")


def fork() -> None:
    """Children of a process whose threads are recording; they end without exit handlers."""
    stop = threading.Event()

    def run(name: str) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            record(f"{name}-{number}")

    threads = [threading.Thread(target=run, args=(f"thread{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(20):
        child = os.fork()
        if child == 0:
            record_some(f"child{number}", 10)
            os._exit(0)
        children.append(child)
    stop.set()
    for thread in threads:
        thread.join()
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def preload() -> None:
    """Workers of a parent that is configured, but records nothing before it forks."""
    purposewatch.get_client()
    for number in range(3):
        if os.fork() == 0:
            record_some(f"worker{number}")
            sys.exit()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def fork_in_c() -> None:
    """A fork that Python is not told of, as some application servers do.

    The parent has an open file but no thread, since such a fork may deadlock beside a thread.
    """
    sink: Any = purposewatch.get_client().sink
    sink._current().sender.wake = lambda: None
    record_some("parent", 5)
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        record_some("child", 5)
        os._exit(0)
    record_some("later", 5)
    os.waitpid(child, 0)


def pool() -> None:
    """Workers of `multiprocessing`, forked and spawned."""
    for context in (multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")):
        method = context.get_start_method()
        workers: list[Any] = [
            context.Process(target=record_some, args=(f"{method}{number}",)) for number in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0


def on_signal() -> None:
    """A handler of SIGTERM that records and exits, while its thread is recording."""

    def handle(*_: object) -> None:
        record("handled")
        sys.exit()

    signal.signal(signal.SIGTERM, handle)
    busy()


if __name__ == "__main__":
    {each.__name__: each for each in (busy, abort, end, fork, preload, fork_in_c, pool, on_signal)}[
        sys.argv[1]
    ]()
