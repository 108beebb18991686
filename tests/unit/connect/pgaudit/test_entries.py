"""The three formats of PostgreSQL's log."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_connect.pgaudit.entries import (
    CsvFormat,
    JsonFormat,
    LogEntry,
    LogFormat,
    PrefixFormat,
    UnreadableEntryError,
    format_of,
)

PREFIX = "%m [%p] %q%u@%d %a %c %l "
AUDIT = 'SESSION,1,1,READ,SELECT,,,"select email\nfrom ""users"", t",<none>'
ENTRY = LogEntry(
    session="6b0b0c8d.5fb0",
    line=2,
    time=datetime(2026, 3, 2, 8, 15, 0, 123000, tzinfo=UTC),
    user="app",
    database="portal",
    application="crm:essential.service",
    audit=AUDIT,
)
TIME = "2026-03-02 08:15:00.123 UTC"


def csv_line(message: str = f"AUDIT: {AUDIT}", time: str = TIME) -> str:
    fields = [
        *(time, "app", "portal", "24496", "127.0.0.1:5", "6b0b0c8d.5fb0", "2", "SELECT", TIME),
        *("3/7", "0", "LOG", "00000", message, "", "", "", "", "", "", "", ""),
        *("crm:essential.service", "client backend", "", "0"),
    ]
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(fields)
    return written.getvalue()


def json_line(message: str = f"AUDIT: {AUDIT}", time: str = TIME) -> str:
    fields = {
        "timestamp": time,
        "user": "app",
        "dbname": "portal",
        "pid": 24496,
        "session_id": "6b0b0c8d.5fb0",
        "line_num": 2,
        "message": message,
        "application_name": "crm:essential.service",
    }
    return json.dumps(fields) + "\n"


def stderr_line(message: str = f"AUDIT: {AUDIT}", time: str = TIME) -> str:
    text = message.replace("\n", "\n\t")
    return f"{time} [24496] app@portal crm:essential.service 6b0b0c8d.5fb0 2 LOG:  {text}\n"


FORMATS: list[tuple[LogFormat, object]] = [
    (CsvFormat(), csv_line),
    (JsonFormat(), json_line),
    (PrefixFormat(PREFIX), stderr_line),
]
each_format = pytest.mark.parametrize(
    ("log_format", "line"), FORMATS, ids=["csvlog", "jsonlog", "stderr"]
)


@each_format
def test_an_entry_is_read(log_format: LogFormat, line: object) -> None:
    """Who, where, when, and the audit with its line breaks."""
    assert callable(line)
    assert log_format.read(line()) == ENTRY
    assert log_format.read(line("duration: 3 ms")) is None


@each_format
def test_a_time_without_a_clear_zone_is_refused(log_format: LogFormat, line: object) -> None:
    """An abbreviation such as `IST` is the name of several zones."""
    assert callable(line)
    with pytest.raises(UnreadableEntryError):
        log_format.read(line(time="2026-03-02 08:15:00.123 IST"))


@each_format
def test_what_is_not_in_the_format_is_refused(log_format: LogFormat, line: object) -> None:
    """The error quotes nothing."""
    for text in ("AUDIT: ann@example.org\n", '"AUDIT: \n', "{}AUDIT: \n"):
        with pytest.raises(UnreadableEntryError) as raised:
            log_format.read(text)
        assert str(raised.value) == ""


MESSAGES = st.lists(st.text(alphabet="a\"',;\n\té", min_size=1, max_size=12), max_size=5)


@each_format
@given(messages=MESSAGES, cut=st.integers(0, 200))
def test_splitting_finds_whole_entries_only(
    log_format: LogFormat, line: object, messages: list[str], cut: int
) -> None:
    """Wherever the file ends for now, what is found is a prefix of its entries, each complete."""
    assert callable(line)
    # PostgreSQL writes no bare carriage return or empty continuation line of its own
    texts = [line(f"AUDIT: {message}x").encode() for message in messages]
    content = b"".join(texts)
    part = content[: len(content) - cut] if cut < len(content) else b""
    ends = list(log_format.split(part, at_rest=False))
    begins = [0, *ends[:-1]]
    found = [part[begin:end] for begin, end in zip(begins, ends, strict=False)]

    assert found == texts[: len(found)]
    at_rest = list(log_format.split(content, at_rest=True))
    assert len(at_rest) == len(texts)
    assert not at_rest or at_rest[-1] == len(content)


@pytest.mark.parametrize(
    ("prefix", "lacks"),
    [
        ("%t %u %d %l ", "`%c`"),
        ("%t %u %d %c ", "`%l`"),
        ("%c %l %u %d ", "`%m` or `%t` or `%n`"),
        ("%m %c %l %d ", "`%u`"),
    ],
)
def test_a_prefix_that_identifies_nothing_is_refused(prefix: str, lacks: str) -> None:
    """The message says what to add."""
    with pytest.raises(ValueError, match="lacks") as raised:
        format_of("stderr", prefix)
    assert str(raised.value) == f"`log_line_prefix` lacks {lacks}; add it"


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("%n|%c|%l|%u|%d|", "1772439300.123|6b0b0c8d.5fb0|2|app|portal|"),
        ("%t [%p-%l] %c %q%u@%d/%a ", "2026-03-02 08:15:00 UTC [7-2] 6b0b0c8d.5fb0 app@portal/x "),
        (
            "%m %-8u %d %c %l 100%% ",
            "2026-03-02 08:15:00.123 UTC app      portal 6b0b0c8d.5fb0 2 100% ",
        ),
        (
            "%m %h %r %i %u %d %c %l ",
            "2026-03-02 08:15:00.5 UTC ::1 ::1(7) SELECT app portal 6b0b0c8d.5fb0 2 ",
        ),
    ],
)
def test_prefixes_are_understood(prefix: str, text: str) -> None:
    """With padding, per cent signs, and what does not matter here."""
    entry = PrefixFormat(prefix).read(f"{text}LOG:  AUDIT: {AUDIT}\n")

    assert entry is not None
    assert (entry.user, entry.database, entry.line) == ("app", "portal", 2)
    assert entry.time.replace(microsecond=0) == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
