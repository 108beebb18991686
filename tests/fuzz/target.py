"""What a fuzz target is, and what holds for every input of every target.

A target takes bytes and raises for a broken promise of its own. Beyond that no input takes more
than a bounded time and memory, and none makes a log line or an error show what a publisher sent.
"""

import gc
import io
import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from purposewatch_runtime.logs import configure_logs
from purposewatch_runtime.settings import LogSettings
from tests.fuzz.mutate import mutate

CASES = Path(__file__).parent / "cases"
"""Inputs that once broke a promise: a directory for each target, a file for each input."""

PERSONAL = ("anna.schmidt@example.org", "+49 30 901820", "Zq Payload Value")
"""Values in the inputs. No one may be in a log line, in an error, or anywhere but in a payload."""
MARKS = tuple(each.encode() for each in PERSONAL)

_FIRST = 0.5
_MAX_GROWTH_BYTES = 192 * 1024 * 1024

Run = Callable[[bytes], None]


class BrokenPromiseError(AssertionError):
    """An input broke what holds for every input."""


@dataclass(frozen=True)
class Target:
    """Something that reads what others write."""

    name: str
    seeds: tuple[bytes, ...]
    """Inputs that it accepts, or nearly. Half of the changes begin with the first."""
    opened: Callable[[], AbstractContextManager[Run]]
    """Sets it up, and gives what runs one input."""
    words: tuple[bytes, ...] = ()
    """What its inputs consist of."""
    max_bytes: int = 16_384
    max_seconds: float = 1.0
    """Of processor time for one input."""
    brief: int = 30
    """How many changed inputs `make test` runs."""

    def cases(self) -> list[Path]:
        """The inputs that once broke a promise."""
        return sorted((CASES / self.name).glob("*"))

    def corpus(self) -> tuple[bytes, ...]:
        """Where changes begin."""
        return (*self.seeds, *(case.read_bytes() for case in self.cases()))

    def inputs(self, seed: str) -> Iterator[bytes]:
        """Changed inputs without end, the same for the same seed."""
        corpus, number = self.corpus(), 0
        while True:
            rng = Random(f"{self.name}/{seed}/{number}")  # noqa: S311 - to be repeated
            first = corpus[0] if rng.random() < _FIRST else rng.choice(corpus)
            yield mutate(first, rng, words=self.words, corpus=corpus, max_bytes=self.max_bytes)
            number += 1


def assert_silent(text: str | bytes) -> None:
    """Check that a text shows none of the personal values."""
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    for mark in MARKS:
        if mark in content:
            message = f"a personal value is shown: {content[:2_000]!r}"
            raise BrokenPromiseError(message)


@contextmanager
def watched(target: Target) -> Iterator[Run]:
    """Set the target up; what it gives runs an input and checks what holds for all of them."""
    logged = io.StringIO()
    with _logging_to(logged), target.opened() as run:

        def check(data: bytes) -> None:
            logged.seek(0)
            logged.truncate()
            memory, started = _peak_bytes(), time.process_time()
            run(data)
            took, grown = time.process_time() - started, _peak_bytes() - memory
            assert_silent(logged.getvalue())
            if took > target.max_seconds:
                message = f"took {took:.1f} s of processor time; at most {target.max_seconds}"
                raise BrokenPromiseError(message)
            if grown > _MAX_GROWTH_BYTES:
                message = f"took {grown >> 20} MiB more memory than any input before"
                raise BrokenPromiseError(message)

        yield check
    gc.collect()  # what a target leaves is reported here, and not by a later test


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _logging_to(stream: io.StringIO) -> Iterator[None]:
    """Log as the services do, into `stream`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(LogSettings(log_format="json", log_level="debug"), service="fuzz")
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
