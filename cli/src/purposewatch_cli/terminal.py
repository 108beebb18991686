"""What is printed: to which stream, how wide, and free of anything that could drive a terminal."""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console

from purposewatch_policy import Outcome

__all__ = ["OUTCOME_STYLES", "console", "counted", "errors_console", "print_json", "printable"]

OUTCOME_STYLES = {
    Outcome.PERMITTED: "green",
    Outcome.UNKNOWN: "yellow",
    Outcome.VIOLATION: "bold red",
}
WIDTH_OF_FILES = 140
"""Columns of output that goes to a file or a pipe, unless `COLUMNS` says otherwise."""


def printable(text: str, limit: int = 400) -> str:
    """Return the text in one line, without control and format characters, at most `limit` long."""
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char)[0] == "C" else char
        for char in shown
    )


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def console(stream: TextIO | None = None) -> Console:
    """Return a console that takes strings literally, on standard output by default."""
    target = stream or sys.stdout
    if hasattr(target, "reconfigure"):
        target.reconfigure(errors="replace")
    width = None if target.isatty() or "COLUMNS" in os.environ else WIDTH_OF_FILES
    return Console(file=target, width=width, markup=False, highlight=False, emoji=False)


def errors_console() -> Console:
    """Return the console for what went wrong: standard error."""
    return console(sys.stderr)


def print_json(value: Mapping[str, Any]) -> None:
    """Print a value as one line of JSON, for programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
