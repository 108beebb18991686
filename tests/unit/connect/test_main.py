"""The command `purposewatch-connect`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from purposewatch_connect.main import app

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "connectors" / "examples" / "mapping.yaml"
SAMPLES = {
    "cloudtrail": json.dumps(
        {
            "Records": [
                {
                    "userIdentity": {"type": "IAMUser", "userName": "portal"},
                    "eventTime": "2026-03-02T08:15:00Z",
                    "eventSource": "s3.amazonaws.com",
                    "eventName": "GetObject",
                    "requestParameters": {"bucketName": "portal-uploads", "key": "a.jpg"},
                    "eventID": "e-1",
                    "eventCategory": "Data",
                }
            ]
        }
    ),
    "snowflake": json.dumps(
        {
            "QUERY_ID": "q-1",
            "QUERY_START_TIME": "2026-03-02 08:15:00.388 +0000",
            "USER_NAME": "portal",
            "BASE_OBJECTS_ACCESSED": [
                {
                    "objectDomain": "Table",
                    "objectName": "PORTAL.PUBLIC.MEMBERS",
                    "columns": [{"columnId": 1, "columnName": "EMAIL"}],
                }
            ],
        }
    ),
}


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


@pytest.mark.parametrize("connector", ["otlp", "openlineage", "pgaudit"])
def test_a_connector_names_the_setting_that_it_lacks(
    connector: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the services do, with status 2."""
    monkeypatch.delenv("PURPOSEWATCH_CONNECT_MAPPING_FILE", raising=False)
    ran = CliRunner().invoke(app, [connector])
    assert ran.exit_code == 2
    shown = ran.output + "".join(capsys.readouterr())
    assert "PURPOSEWATCH_CONNECT_MAPPING_FILE: is missing; set it" in shown


@pytest.mark.parametrize("connector", ["cloudtrail", "snowflake"])
def test_files_are_published_through_the_clients_spool(
    connector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ingest the events stay in the spool; a file that can't be read makes the status 1."""
    monkeypatch.setenv("PURPOSEWATCH_CLIENT_INGEST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PURPOSEWATCH_CLIENT_KEY", "pwk_x")
    monkeypatch.setenv("PURPOSEWATCH_CLIENT_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("PURPOSEWATCH_CLIENT_EXIT_TIMEOUT_SECONDS", "0.1")
    monkeypatch.setenv("PURPOSEWATCH_POLICIES_DIR", str(ROOT / "policies"))
    sound, faulty = tmp_path / "1.json", tmp_path / "2.json"
    sound.write_text(SAMPLES[connector], encoding="utf-8")
    faulty.write_text('[["something else"]]', encoding="utf-8")
    monkeypatch.setenv("PURPOSEWATCH_CONNECT_MAPPING_FILE", "")
    arguments = [connector, "--mapping", str(EXAMPLE), str(sound)]

    ran = CliRunner().invoke(app, arguments)
    assert (ran.exit_code, ran.output.splitlines()[-1]) == (0, "1 records, 1 events in the spool")
    ran = CliRunner().invoke(app, [*arguments, str(faulty)])
    assert ran.exit_code == 1
    assert f"{faulty}: the file is " in ran.output
    assert any((tmp_path / "spool").rglob("*"))
