"""Messages over Apprise."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from email.header import decode_header, make_header

import apprise
import pytest
from pydantic import SecretStr

from purposewatch_reporter.alerts.apprise import AppriseChannel, body, is_address
from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from tests.unit.reporter.alerts.conftest import Bench

# Apprise looks for a module that Python is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

ADDRESS = SecretStr("json://127.0.0.1:9/secret-path")


class Notified:
    """What Apprise was asked to send, and what it makes of it."""

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.answer = True
        self.error: Exception | None = None
        self.hang = threading.Event()
        self.hang.set()

    def notify(self, **message: object) -> bool:
        """Stand in for `Apprise.notify`."""
        self.messages.append(message)
        self.hang.wait(5)
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notified]:
    """Apprise without a network."""
    sink = Notified()
    monkeypatch.setattr(apprise.Apprise, "notify", lambda _, **message: sink.notify(**message))
    yield sink
    sink.hang.set()


async def send(
    bench: Bench, *, timeout_seconds: float = 5, address: SecretStr = ADDRESS
) -> Attempt:
    """Send an alert about a violation."""
    await bench.violate("user.a")
    await bench.advance()
    await bench.deliverer().deliver()
    channel = AppriseChannel("chat", address, ResendPolicy(), timeout_seconds=timeout_seconds)
    await channel.open()
    attempt = await channel.send(bench.channel.sent[0])
    await channel.close()
    return attempt


async def test_a_message_has_all_there_is_to_know(bench: Bench, notified: Notified) -> None:
    """In plain text, with the reason first."""
    assert await send(bench) == Attempt(Result.DELIVERED)
    [message] = notified.messages
    [alert] = bench.channel.sent[0]
    assert message["title"] == alert.title
    text = body(alert)
    assert message["body"] == text
    assert text.startswith("`user.a` is violation.\n\n1 since 2026-03-02 09:00:00 UTC")
    for part in ("clause: members.1", alert.url, alert.key):
        assert part in text
    assert message["notify_type"] is apprise.NotifyType.WARNING


async def test_no_for_an_answer_is_a_failure(bench: Bench, notified: Notified) -> None:
    """Apprise doesn't say why."""
    notified.answer = False
    assert await send(bench) == Attempt(Result.FAILED, "the receiver did not accept it")


async def test_an_error_is_told_without_its_text(bench: Bench, notified: Notified) -> None:
    """It may hold the address."""
    notified.error = ValueError("json://127.0.0.1:9/secret-path")
    assert await send(bench) == Attempt(Result.FAILED, "ValueError")


async def test_a_receiver_that_hangs_is_not_waited_for(bench: Bench, notified: Notified) -> None:
    """The attempt ends with its time; the loop goes on meanwhile."""
    notified.hang.clear()
    assert await send(bench, timeout_seconds=0.1) == Attempt(Result.FAILED, "TimeoutError")


async def test_apprise_logs_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Its messages hold addresses; nobody listens on the port."""
    with caplog.at_level(logging.DEBUG):
        attempt = await send(bench)
    assert attempt.result is Result.FAILED
    assert "secret-path" not in caplog.text


def test_addresses_are_checked() -> None:
    """Before anything is sent."""
    assert is_address(ADDRESS)
    assert not is_address(SecretStr("nonsense://x"))


class MailServer:
    """As much of SMTP as it takes to receive a message."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say yes to everything, and keep it."""
        writer.write(b"220 mail.example\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            if line.upper() == "DATA":
                writer.write(b"354 go on\r\n")
                while (line := (await reader.readline()).decode().rstrip("\r\n")) != ".":
                    self.lines.append(line)
            writer.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 yes\r\n")
        writer.close()


async def test_an_alert_goes_out_as_an_e_mail(bench: Bench) -> None:
    """Over SMTP, to a real server instead of a stand-in for Apprise."""
    mail = MailServer()
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    query = "from=watch@example.org&to=privacy@example.org&mode=insecure&format=text"
    address = SecretStr(f"mailto://127.0.0.1:{port}/?{query}")
    async with server:
        attempt = await send(bench, address=address)
    assert attempt == Attempt(Result.DELIVERED)
    assert any(line.upper().startswith("RCPT TO:<PRIVACY@EXAMPLE.ORG>") for line in mail.lines)
    subject = next(line for line in mail.lines if line.startswith("Subject:"))
    assert "[medium] undeclared_purpose" in str(make_header(decode_header(subject)))
