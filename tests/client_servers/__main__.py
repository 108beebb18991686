"""`python -m tests.client_servers`: the client in application servers that fork or patch Python.

Installs Gunicorn, gevent and uWSGI into an environment of its own, and runs each with several
workers. While requests come in, one worker is killed. Whatever was answered must arrive, once.
Takes about a minute; the exit status is 1 if a server fails.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

from purposewatch_client import Client, ClientSettings
from purposewatch_client.spool_sink import SpoolSink
from tests.harness.fake_ingest import FakeIngest
from tests.harness.ports import take_port

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PACKAGES = ("gunicorn", "gevent", "packaging", "pyuwsgi")  # gunicorn's worker needs packaging
REQUESTS = 400
BOUND_SECONDS = 20.0

GUNICORN = ("gunicorn", "--workers", "3", "--chdir", str(HERE), "application:application")
UWSGI = (
    *("uwsgi", "--master", "--processes", "3", "--enable-threads", "--die-on-term", "--need-app"),
    *("--chdir", str(HERE), "--wsgi-file", "application.py"),
)
SERVERS: dict[str, tuple[str, ...]] = {
    "gunicorn": GUNICORN,
    "gunicorn, preloaded": (*GUNICORN, "--preload"),
    "gunicorn, threads": (*GUNICORN, "--worker-class", "gthread", "--threads", "4"),
    "gunicorn, gevent": (*GUNICORN, "--worker-class", "gevent"),
    "gunicorn, gevent, preloaded": (*GUNICORN, "--worker-class", "gevent", "--preload"),
    "uwsgi": UWSGI,
    "uwsgi, each worker loads": (*UWSGI, "--lazy-apps"),
    "uwsgi, threads": (*UWSGI, "--threads", "4"),
}


def main() -> int:
    """Run every server; return the exit status."""
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        binaries = _environment(Path(directory) / "environment")
        for name, command in SERVERS.items():
            spool = Path(directory) / name.replace(", ", "-").replace(" ", "-")
            try:
                with FakeIngest() as ingest:
                    fault = _run(binaries, command, spool, ingest)
            except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                log = spool.with_suffix(".log").read_text("utf-8", errors="replace")
                fault = f"{error}\n{log[-2000:]}"
            failed += fault is not None
            print(f"{name:32} {fault or 'ok'}", flush=True)
    return int(failed > 0)


def _environment(path: Path) -> Path:
    """An environment with the servers and the client; its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(path / "bin" / "python")]
    options = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, *PACKAGES], check=True)
    site = next((path / "lib").glob("python*/site-packages"))
    (site / "client.pth").write_text(str(ROOT / "clients" / "python" / "src"), encoding="utf-8")
    return path / "bin"


def _run(binaries: Path, command: tuple[str, ...], spool: Path, ingest: FakeIngest) -> str | None:
    """What is wrong with the client in this server; None if nothing is."""
    port = take_port()
    program, *arguments = command
    listen = "--http-socket" if program == "uwsgi" else "--bind"
    environment = {
        **os.environ,
        "PURPOSEWATCH_CLIENT_SOURCE": "/portal",
        "PURPOSEWATCH_CLIENT_INGEST_URL": ingest.url,
        "PURPOSEWATCH_CLIENT_SPOOL": str(spool),
        "PURPOSEWATCH_CLIENT_CONTROLLER": "wework-labs",
        "PURPOSEWATCH_CLIENT_ROLE": "member",
        "PURPOSEWATCH_CLIENT_ADOPT_SECONDS": "1",
    }
    log = spool.with_suffix(".log").open("wb")
    server = subprocess.Popen(
        [str(binaries / program), *arguments, listen, f"127.0.0.1:{port}"],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        answered, workers = _drive(f"http://127.0.0.1:{port}")
        server.send_signal(signal.SIGTERM)
        server.wait(BOUND_SECONDS)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        log.close()
    sent_by_the_server = len(ingest.subjects)
    _send_the_rest(spool, ingest.url)
    arrived = Counter({each: n for each, n in ingest.subjects.items() if each.isdigit()})
    if missing := set(answered) - set(arrived):
        return f"{len(missing)} of {len(answered)} events are missing"
    if max(ingest.subjects.values()) > 1:
        return "an event was recorded twice"
    if len(workers) < 2:
        return "the requests did not reach several workers"
    if not sent_by_the_server:
        return "the server itself sent nothing"
    return None


def _drive(url: str) -> tuple[list[str], set[int]]:
    """Send requests, and kill a worker half-way; the paths that were answered, and the workers."""
    until = time.monotonic() + BOUND_SECONDS
    while True:
        try:
            victim = _get(f"{url}/ready")
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    answered: list[str] = []
    workers = {victim}

    def request(number: int) -> None:
        if number == REQUESTS // 2:
            os.kill(victim, signal.SIGKILL)
        try:
            workers.add(_get(f"{url}/{number}"))
        except (OSError, HTTPException):  # the killed worker's
            return
        answered.append(str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(request, range(REQUESTS)))
    return answered, workers


def _get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own server
        return int(response.read())


def _send_the_rest(spool: Path, url: str) -> None:
    settings = ClientSettings(source="/portal", ingest_url=url, spool=spool)
    client = Client(settings, SpoolSink(settings))
    client.record(
        subject="last",
        controller="wework-labs",
        role="member",
        operation="use",
        purpose="essential.service",
        categories="user.name",
    )
    until = time.monotonic() + BOUND_SECONDS
    while client.stats().spool_bytes and time.monotonic() < until:
        time.sleep(0.02)
    client.close(5)


if __name__ == "__main__":
    sys.exit(main())
