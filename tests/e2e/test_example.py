"""The example service as a person runs it: the request, the event, the verdict, the page."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 90

pytestmark = pytest.mark.timeout(150)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The running example, and what it printed by the time that it says how to end it."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "examples/members_portal/run.py"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    deadline = time.monotonic() + PATIENCE
    try:
        while "Ctrl-C" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.1)
        yield process, output.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_request_becomes_an_event_a_verdict_and_a_row_of_the_page(
    example: tuple[subprocess.Popen[bytes], str],
) -> None:
    """From the query and the call in the portal's code to what the officer reads."""
    process, printed = example
    assert "202 POST /members/{id}/campaigns/spring" in printed
    assert "7 events, decided for each category of data:" in printed
    decided = "undeclared_third_party_sharing user.contact.email to third_party.advertising"
    assert f"{decided} for marketing.advertising" in printed
    notified = "user.contact.email to first_party for essential.service.notifications"
    assert re.search(rf"permitted +{notified}", printed)

    [page] = re.findall(r"compliance page +(http\S+)", printed)
    sign_in = page.replace("/violations", "/sign-in")
    [(username, password)] = re.findall(r"sign in as +(\S+) +(\S+)", printed)
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        form = browser.get(sign_in).text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        account = {"username": username, "password": password}
        browser.post(sign_in, data={**hidden, **account}).raise_for_status()
        links = re.findall(r"http\S+/violations/\S+", printed)
        shown = [browser.get(link).raise_for_status().text for link in links]
    assert len(shown) == 2
    [shared] = [each for each in shown if "third_party.advertising" in each]
    assert "/portal/campaigns" in shared  # the part of the portal that did it
    assert "marketing.advertising" in shared

    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
