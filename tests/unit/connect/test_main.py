"""The command `purposewatch-connect`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_connect.main import app

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "connectors" / "examples" / "mapping.yaml"


def lint(mapping: Path, policies: Path = ROOT / "policies") -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["lint", str(mapping), "--policies", str(policies)])
    return ran.exit_code, ran.output


def test_a_sound_mapping_passes() -> None:
    """With how many rules it has."""
    assert lint(EXAMPLE) == (0, f"{EXAMPLE}: 13 rules, no faults\n")


def test_faults_are_listed_with_their_lines(tmp_path: Path) -> None:
    """Those of the form, and those of the vocabulary."""
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        EXAMPLE.read_text(encoding="utf-8").replace("role: visitor", "role: visitr"),
        encoding="utf-8",
    )
    status, output = lint(mapping)
    assert status == 1
    assert "`visitr` is an unknown role; did you mean `visitor`?" in output

    mapping.write_text("publisher: [x]\n", encoding="utf-8")
    assert lint(mapping) == (1, f"{mapping}:1: `publisher` must be a single value\n")


def test_without_policies_nothing_can_be_said(tmp_path: Path) -> None:
    """The status differs from that of a faulty mapping."""
    status, output = lint(EXAMPLE, tmp_path / "none")
    assert status == 2
    assert "is not a directory" in output


@pytest.mark.parametrize("connector", ["otlp", "pgaudit"])
def test_a_connector_names_the_setting_that_it_lacks(
    connector: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the services do, with status 2."""
    monkeypatch.delenv("PURPOSEWATCH_CONNECT_MAPPING_FILE", raising=False)
    ran = CliRunner().invoke(app, [connector])
    assert ran.exit_code == 2
    shown = ran.output + "".join(capsys.readouterr())
    assert "PURPOSEWATCH_CONNECT_MAPPING_FILE: is missing; set it" in shown
