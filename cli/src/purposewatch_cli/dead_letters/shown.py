"""How letters are shown: a table, one letter in full, or JSON."""

import base64
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purposewatch_cli.dead_letters.actions import Done
from purposewatch_cli.dead_letters.letters import Letter
from purposewatch_cli.terminal import printable

_HEX_BYTES = 4_096
_WITHHELD = "withheld; it may name people, `--payload` shows it"


def as_json(letter: Letter, *, payload: bool) -> dict[str, object]:
    """The letter as one JSON object; key, value and headers' values only with `payload`."""
    content = letter.content
    document: dict[str, object] = {
        "letter": str(letter.position),
        **content.model_dump(
            mode="json", exclude={"dataschema", "key", "value", "headers", "raw", "policy_version"}
        ),
        "policy_version": content.policy_version,
        "key_bytes": None if content.key is None else len(content.key),
        "value_bytes": None if content.value is None else len(content.value),
        "header_names": [header.name for header in content.headers],
        "disposition": None
        if letter.disposition is None
        else letter.disposition.model_dump(mode="json", exclude={"dataschema", "letter"}),
    }
    if payload:
        document["key"] = _base64(content.key)
        document["value"] = _base64(content.value)
        document["raw"] = _base64(content.raw)
        document["headers"] = [
            {"name": header.name, "value": _base64(header.value)} for header in content.headers
        ]
    return document


def done_as_json(done: Done) -> dict[str, object]:
    """What became of one letter, as one JSON object."""
    return {
        "letter": str(done.letter.position),
        "act": done.act,
        "result": None if done.result is None else done.result.model_dump(mode="json"),
        "problem": done.problem,
    }


def show_list(console: Console, letters: Iterable[Letter]) -> None:
    """Print a table with one letter in a row."""
    table = Table(header_style="bold", expand=True, pad_edge=False)
    table.add_column("letter", no_wrap=True)
    table.add_column("failed (UTC)", no_wrap=True)
    table.add_column("from", overflow="fold")
    table.add_column("consumer\nclass", overflow="fold")
    table.add_column("reason", overflow="fold", ratio=1)
    for letter in letters:
        content = letter.content
        origin = content.position
        reason = Text(printable(content.reason))
        if letter.disposition is not None:
            reason.append(f"\n{_disposition(letter)}", style="dim")
        table.add_row(
            Text(str(letter.position)),
            Text(f"{content.failed_time:%Y-%m-%d %H:%M:%S}"),
            Text(printable(f"{origin.topic}\n{origin.partition}/{origin.offset}", 300)),
            Text(f"{printable(content.consumer)}\n{content.error_class}"),
            reason,
        )
    console.print(table)


def show_letter(console: Console, letter: Letter, *, payload: bool) -> None:
    """Print everything about one letter; what may name people only with `payload`."""
    content = letter.content
    origin = content.position
    lines = [
        ("letter", str(letter.position)),
        ("from", f"{origin.topic}, partition {origin.partition}, offset {origin.offset}"),
        ("written", f"{content.timestamp:%Y-%m-%dT%H:%M:%S.%f%z}"),
        ("dead-lettered", f"{content.failed_time:%Y-%m-%dT%H:%M:%S.%f%z} by {content.consumer}"),
        ("class", str(content.error_class)),
        ("reason", content.reason),
        ("policy version", content.policy_version or "none"),
        ("disposition", _disposition(letter) or "open"),
        ("key", _bytes(content.key, payload=payload)),
        *(
            (f"header {header.name}", _bytes(header.value, payload=payload))
            for header in content.headers
        ),
        ("value", _bytes(content.value, payload=payload)),
    ]
    if content.raw is not None:
        lines.append(("bytes in the log", _bytes(content.raw, payload=payload)))
    for name, text in lines:
        line = Text(f"{printable(name, 60):<16} ", style="bold")
        line.append(printable(text, 4 * _HEX_BYTES), style="not bold")
        console.print(line, soft_wrap=True)


def _disposition(letter: Letter) -> str:
    done = letter.disposition
    if done is None:
        return ""
    where = "" if done.result is None else f", now {done.result.partition}/{done.result.offset}"
    if done.result is not None:
        where += f" of {done.result.topic}"
    why = f": {done.reason}" if done.reason else ""
    return f"{done.act} on {done.time:%Y-%m-%d %H:%M} by {done.author}{where}{why}"


def _bytes(value: bytes | None, *, payload: bool) -> str:
    if value is None:
        return "none"
    if not value:
        return "empty"
    size = f"{len(value)} bytes"
    if not payload:
        return f"{size}, {_WITHHELD}"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        more = f" … ({size})" if len(value) > _HEX_BYTES else f" ({size})"
        return value[:_HEX_BYTES].hex(" ") + more
    return f"{text} ({size})"


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
