"""Bundles are made, signed and verified on the command line."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from purposewatch_cli.main import app

POLICIES = Path(__file__).parents[3] / "policies"


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["bundle", *arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a private key, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "policies.pem"]
    subprocess.run(made, check=True, capture_output=True)
    return tmp_path


def test_a_bundle_is_made_signed_and_verified(home: Path) -> None:
    """As counsel's release does it."""
    assert (
        run("create", "--policies", str(POLICIES), "--number", "7", "--out", "p.tar.gz").exit_code
        == 0
    )
    assert run("sign", "p.tar.gz", "--key-file", "policies.pem").exit_code == 0
    public = run("public-key", "--key-file", "policies.pem")
    (home / "policies.pub").write_text(public.output)
    verified = run("verify", "p.tar.gz", "--keys", "policies.pub")
    assert verified.exit_code == 0
    assert "bundle 7 of 20" in verified.output
    assert "signed by" in verified.output

    (home / "p.tar.gz").write_bytes((home / "p.tar.gz").read_bytes()[:-1] + b"x")
    forged = run("verify", "p.tar.gz", "--keys", "policies.pub")
    assert forged.exit_code != 0


def test_a_bundle_of_another_key_is_not_verified(home: Path) -> None:
    """Exit status 1, and why."""
    run("create", "--policies", str(POLICIES), "--out", "p.tar.gz")
    run("sign", "p.tar.gz", "--key-file", "policies.pem")
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "other.pem"]
    subprocess.run(made, check=True, capture_output=True)
    (home / "other.pub").write_text(run("public-key", "--key-file", "other.pem").output)
    found = run("verify", "p.tar.gz", "--keys", "other.pub")
    assert found.exit_code == 1
    assert "not trusted here" in found.output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sign", "none.tar.gz", "--key-file", "policies.pem"], "no such file"),
        (["sign", "policies.pem", "--key-file", "policies.pem"], "is not a bundle"),
        (["public-key", "--key-file", "none.pem"], "no such file"),
        (["create", "--policies", "nowhere", "--out", "p.tar.gz"], "there is no directory"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: list[str], says: str) -> None:
    """Exit status 2, and what to do."""
    found = run(*arguments)
    assert found.exit_code == 2
    assert says in found.output
