"""`purposewatch record`."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from purposewatch_cli import record_command
from purposewatch_cli.record_command import record
from purposewatch_cli.reporter_api import ReporterError

app = typer.Typer()
app.command()(record)


class Api:
    """Stands for the reporter; it has one controller."""

    asked: tuple[str, Mapping[str, str]]

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url

    def file(self, path: str, query: Mapping[str, str]) -> bytes:
        """Return a file that is not text, or refuse."""
        if path != "/records/wework-labs":
            message = "the reporter answered 404: there is no controller `nobody`"
            raise ReporterError(message, 404)
        Api.asked = (path, query)
        return b"PK\x03\x04\xff\r\n"


@pytest.fixture(autouse=True)
def _reporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_command, "ReporterApi", Api)


def test_the_file_is_written_as_it_is(tmp_path: Path) -> None:
    """Byte by byte; times are whole hours in UTC."""
    file = tmp_path / "record.docx"
    arguments = ["--format", "docx", "--lang", "zh", "--since", "2026-03-02T08:15:00+02:00"]
    done = CliRunner().invoke(app, ["wework-labs", *arguments, "--output", str(file)])
    assert (done.exit_code, done.output) == (0, "")
    assert file.read_bytes() == b"PK\x03\x04\xff\r\n"
    assert Api.asked[1] == {"format": "docx", "lang": "zh", "since": "2026-03-02T06:00:00Z"}


def test_without_a_file_it_goes_to_standard_output() -> None:
    """As JSON, of all time, unless it is asked for something else."""
    done = CliRunner().invoke(app, ["wework-labs"])
    assert done.stdout_bytes == b"PK\x03\x04\xff\r\n"
    assert Api.asked[1] == {"format": "json", "lang": "en"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "there is no controller `nobody`"),
        (["wework-labs", "--since", "yesterday"], "`yesterday` is not a time"),
        (["wework-labs", "--output", "/nowhere/record.json"], "No such file or directory"),
    ],
)
def test_what_can_not_be_done_is_said(arguments: list[str], message: str) -> None:
    """With status 2."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert message in done.output
