"""What Alertmanager is sent."""

import json
from datetime import timedelta

import httpx

from purposewatch_reporter.alerts.alertmanager import Alertmanager, AlertmanagerTarget
from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.routing import AlertmanagerSpec
from tests.unit.reporter.alerts.conftest import Bench
from tests.unit.reporter.conftest import NOW


async def test_what_fires_lasts_for_some_resends_and_what_ends_ends(bench: Bench) -> None:
    """So that it resolves by itself when nobody sends it any more."""
    requests: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    channel = Alertmanager(
        "cluster",
        AlertmanagerTarget(
            url="http://alertmanager:9093/",
            authorization=None,
            timeout_seconds=5,
            resend=timedelta(seconds=30),
            hold=timedelta(minutes=6),
        ),
        clock=lambda: bench.now,
        transport=httpx.MockTransport(receive),
    )
    bench.routing = type(bench.routing)(
        specs=(AlertmanagerSpec("cluster", ("http://alertmanager:9093/",)),), default=("cluster",)
    )
    await channel.open()
    await bench.violate("user.a", "user.b")
    await bench.advance()
    deliverer = bench.deliverer(channel)
    assert await deliverer.deliver() == 0
    [request] = requests
    assert str(request.url) == "http://alertmanager:9093/api/v2/alerts"
    first, second = json.loads(request.content)
    assert {first["labels"]["data_category"], second["labels"]["data_category"]} == {
        "user.a",
        "user.b",
    }
    assert first["startsAt"] == NOW.isoformat()
    assert first["endsAt"] == (NOW + timedelta(minutes=2)).isoformat()
    assert first["annotations"]["clause"] == "members.1"
    assert first["annotations"]["count"] == "1"
    assert set(map(type, first["annotations"].values())) == {str}
    bench.later(minutes=11)
    await bench.advance()
    await deliverer.deliver()
    ended, _ = json.loads(requests[-1].content)
    assert (ended["startsAt"], ended["endsAt"]) == (NOW.isoformat(), bench.now.isoformat())
    assert ended["labels"] == first["labels"]
    await channel.close()


async def test_errors_are_attempts(bench: Bench) -> None:
    """An invalid alert is refused, anything else is a failure; none raises."""
    answers: list[httpx.Response | Exception] = [
        httpx.Response(400),
        httpx.Response(503),
        httpx.ConnectError("no"),
    ]

    def receive(_: httpx.Request) -> httpx.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    target = AlertmanagerTarget("http://a", None, 5, timedelta(seconds=30), timedelta(0))
    channel = Alertmanager(
        "a", target, clock=lambda: bench.now, transport=httpx.MockTransport(receive)
    )
    await channel.open()
    assert [await channel.send([]) for _ in range(3)] == [
        Attempt(Result.REFUSED, "HTTP 400"),
        Attempt(Result.FAILED, "HTTP 503"),
        Attempt(Result.FAILED, "ConnectError"),
    ]
    await channel.close()
