"""The example's own tests, as whoever copies it runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*options: str) -> tuple[int, str]:
    """Run the example's tests; the exit status and the output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "purposewatch_client_pytest", *options],
        cwd=ROOT / "examples" / "members_portal",
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_tests_of_the_example_pass_and_report_its_flows() -> None:
    """Without any network; what the policy does not permit is allowed by a marker."""
    status, output = run()
    assert status == 0, output
    assert "7 distinct flows: 5 permitted, 2 violations" in output


def test_the_plugin_finds_what_the_example_does_wrong() -> None:
    """In the test that causes it, at the line that does it, with what would change it."""
    status, output = run("--purposewatch-strict")
    assert status == 1
    assert "1 failed, 4 passed" in output
    assert "undeclared_third_party_sharing: share user.contact.email" in output
    assert "recorded at members_portal/app.py:" in output
    assert "keep it with `first_party` instead of `third_party.advertising`" in output
