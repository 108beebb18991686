"""Bundles are fetched, checked and installed; what may not be used leaves the one before."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from purposewatch_policy import InvalidSourceError, load_policies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.policy_bundle import (
    PolicyBundle,
    create_bundle,
    policy_bundle,
    public_key_text,
    sign,
)
from purposewatch_runtime.settings import PolicySettings

POLICIES = Path(__file__).parents[4] / "policies"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CREATED = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
CONTROLLER = "linggan-house"


class Stage:
    """A published bundle, and a process that uses it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.archive = home / "published.tar.gz"
        self.keys = home / "keys.pub"
        self.keys.write_text(public_key_text(KEY))
        self.policies = home / "policies"
        shutil.copytree(POLICIES, self.policies)
        self.metrics = MetricSet("auditor", version="0")

    def publish(self, number: int, key: Ed25519PrivateKey | None = KEY) -> None:
        """Publish the policies as they are now, signed by that key."""
        archive = create_bundle(self.policies, number=number, created=CREATED)
        self.archive.write_bytes(archive)
        signature = self.archive.with_name(self.archive.name + ".minisig")
        signature.unlink(missing_ok=True)
        if key is not None:
            signature.write_text(sign(archive, key, comment=f"number:{number}"))

    def retire(self, controller: str = CONTROLLER) -> None:
        """Take a controller out of the policies."""
        shutil.rmtree(self.policies / controller)

    def process(self, place: str | None = None, **more: Any) -> PolicyBundle:
        """A process with the directory of the one before, if there was one."""
        made = policy_bundle(self.settings(place, **more), self.metrics)
        assert made is not None
        return made

    def settings(self, place: str | None = None, **more: Any) -> PolicySettings:
        """The settings of a process."""
        return PolicySettings(
            policies_bundle=place or str(self.archive),
            policies_bundle_dir=self.home / "used",
            **{"policies_bundle_keys_file": self.keys} | more,
        )

    @property
    def controllers(self) -> set[str]:
        """Whose policies are used now."""
        return set(load_policies(self.settings().policies_path).controllers)

    @property
    def is_refused(self) -> bool:
        """What the metric says."""
        [sample] = next(iter(self.metrics.gauge(m.POLICY_BUNDLE_REFUSED).collect())).samples
        return bool(sample.value)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A bundle with the number 7."""
    made = Stage(tmp_path)
    made.publish(7)
    return made


def test_without_a_bundle_policies_are_plain_files() -> None:
    """As ever."""
    settings = PolicySettings(policies_dir=POLICIES)
    assert policy_bundle(settings, MetricSet("auditor", version="0")) is None
    assert settings.policies_path == POLICIES


def test_a_signed_bundle_is_used(stage: Stage) -> None:
    """And a newer one as soon as it is published."""
    process = stage.process()
    process.prepare()
    assert stage.controllers == {"linggan-house", "wework-labs"}
    stage.retire()
    stage.publish(8)
    process.refresh()
    assert stage.controllers == {"wework-labs"}
    assert not stage.is_refused


@pytest.mark.parametrize("key", [None, OTHER_KEY])
def test_a_bundle_that_no_trusted_key_signed_is_refused(
    stage: Stage, key: Ed25519PrivateKey | None
) -> None:
    """The one before stays in use, and the metric tells, until one comes that may be used."""
    process = stage.process()
    process.prepare()
    stage.retire()
    stage.publish(8, key)
    process.refresh()
    assert stage.controllers == {"linggan-house", "wework-labs"}
    assert stage.is_refused
    stage.publish(8)
    process.refresh()
    assert stage.controllers == {"wework-labs"}
    assert not stage.is_refused


def test_a_signature_that_comes_after_its_archive_is_enough(stage: Stage) -> None:
    """Two files can't be replaced at once: the archive is looked at again, though unchanged."""
    stage.publish(7, None)
    process = stage.process()
    with pytest.raises(InvalidSourceError, match="it has no signature"):
        process.prepare(attempts=1)
    archive = stage.archive.read_bytes()
    stage.archive.with_name(stage.archive.name + ".minisig").write_text(
        sign(archive, KEY, comment="number:7")
    )
    process.refresh()
    assert stage.controllers == {"linggan-house", "wework-labs"}


def test_without_keys_no_signature_is_needed(stage: Stage) -> None:
    """Whoever can write the file is trusted then."""
    stage.publish(7, None)
    stage.process(policies_bundle_keys_file=None).prepare(attempts=1)
    assert stage.controllers == {"linggan-house", "wework-labs"}


def test_an_older_bundle_is_refused(stage: Stage) -> None:
    """Also after a restart, and although it was signed once; unless that is allowed."""
    stage.process().prepare()
    stage.retire()
    stage.publish(6)
    process = stage.process()
    process.prepare()
    assert stage.controllers == {"linggan-house", "wework-labs"}
    assert stage.is_refused
    stage.process(policies_bundle_refuse_older=False).prepare()
    assert stage.controllers == {"wework-labs"}


def test_faulty_policies_are_refused(stage: Stage) -> None:
    """A signature does not make them valid."""
    process = stage.process()
    process.prepare()
    (stage.policies / CONTROLLER / "policy.undated.yaml").write_text("statements: nothing")
    stage.publish(8)
    process.refresh()
    assert stage.controllers == {"linggan-house", "wework-labs"}
    assert stage.is_refused


def test_a_restart_needs_no_source(stage: Stage) -> None:
    """The stored bundle is checked again, and its files are written again."""
    stage.process().prepare()
    stage.archive.unlink()
    for path in stage.settings().policies_path.rglob("*.yaml"):
        path.write_text("forged: true")
    stage.process().prepare(attempts=1)
    assert stage.controllers == {"linggan-house", "wework-labs"}


def test_a_stored_bundle_of_a_key_that_was_withdrawn_is_not_used(stage: Stage) -> None:
    """What is not trusted any more does not become trusted by being there already."""
    stage.process().prepare()
    stage.keys.write_text(public_key_text(OTHER_KEY))
    with pytest.raises(InvalidSourceError, match="not trusted here"):
        stage.process().prepare(attempts=1)


def test_without_any_bundle_the_start_fails(stage: Stage) -> None:
    """The error names the setting and the file."""
    stage.archive.unlink()
    with pytest.raises(InvalidSourceError, match=r"PURPOSEWATCH_POLICIES_BUNDLE.*published.tar.gz"):
        stage.process().prepare(attempts=2, pause=0)


def test_bundles_before_the_last_are_removed(stage: Stage) -> None:
    """The last but one stays for whoever is reading it."""
    process = stage.process()
    process.prepare()
    for number in range(8, 12):
        stage.publish(number)
        process.refresh()
    kept = [
        path for path in (stage.home / "used").iterdir() if path.is_dir() and not path.is_symlink()
    ]
    assert len(kept) == 2


class Server:
    """Serves the published files as a web server does."""

    def __init__(self, home: Path) -> None:
        self.answers: list[int] = []
        self.tokens: set[str | None] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.tokens.add(self.headers["Authorization"])
                path = home / self.path.lstrip("/")
                tag = f'"{path.stat().st_mtime_ns}"' if path.exists() else None
                status = (
                    404 if tag is None else 304 if self.headers["If-None-Match"] == tag else 200
                )
                server.answers.append(status)
                self.send_response(status)
                if tag is not None:
                    self.send_header("ETag", tag)
                self.end_headers()
                if status == 200:
                    self.wfile.write(path.read_bytes())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/published.tar.gz"


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """A server that listens."""
    server = Server(home)
    Thread(target=server.server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()


def test_a_bundle_is_fetched_once_and_then_asked_after(stage: Stage) -> None:
    """By its ETag: what has not changed is not sent again."""
    with serving(stage.home) as server:
        process = stage.process(server.url)
        process.prepare()
        process.refresh()
        assert server.answers == [200, 200, 304]
        stage.retire()
        stage.publish(8)
        process.refresh()
    assert stage.controllers == {"wework-labs"}
    process.refresh()  # the server is away: nothing changes
    assert stage.controllers == {"wework-labs"}
    assert not stage.is_refused


def test_a_server_without_the_signature_is_not_enough(stage: Stage) -> None:
    """The archive alone is refused."""
    stage.publish(7, None)
    with (
        serving(stage.home) as server,
        pytest.raises(InvalidSourceError, match="it has no signature"),
    ):
        stage.process(server.url).prepare(attempts=1)


@pytest.mark.parametrize("keys", ["with keys", ""])
def test_an_address_without_tls_needs_keys_and_no_token(tmp_path: Path, keys: str) -> None:
    """Whoever is between could forge the one, and read the other."""
    given: dict[str, Any] = {"policies_bundle_keys_file": tmp_path / "keys"} if keys else {}
    if keys:
        PolicySettings(policies_bundle="http://policies/p.tar.gz", **given)
        given["policies_bundle_token_file"] = tmp_path / "token"
    with pytest.raises(ValueError, match="use https://"):
        PolicySettings(policies_bundle="http://policies/p.tar.gz", **given)
