"""One node of Apache Kafka, a broker and a controller: its configuration and its process."""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from purposewatch_demo.embedded_broker import cluster_at, tied_to_caller
from tests.harness import kafka_jars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_READY_TIMEOUT = 60.0
_MOST_REPLICAS = 3

_LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c - %m%n
"""


class ApacheKafkaError(RuntimeError):
    """Apache Kafka doesn't come up; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Door:
    """A way into a node that leads through something else: a listener of its own."""

    port: int
    """Where the node listens."""
    advertised: int
    """Where clients that came in by this door are told to go; the caller puts a proxy there."""


@dataclass(slots=True)
class Node:
    """A node in a directory of its own, which exists."""

    number: int
    directory: Path
    port: int
    controller_port: int
    doors: Mapping[str, Door]
    heap_mb: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Its storage, with the directories of the logs."""
        return self.directory / "data"

    def configure(
        self,
        nodes: Sequence[Node],
        *,
        rebalance_delay_ms: int,
        security: Mapping[str, object] | None = None,
    ) -> None:
        """Write the files that configure it as one of these nodes.

        Settings in `security` that others have, such as `listeners`, are appended to theirs.
        """
        voters = ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in nodes)
        replicas = min(len(nodes), _MOST_REPLICAS)
        in_sync = max(1, replicas - 1)
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *self.doors)
            ),
            "listeners": ",".join(
                [
                    f"PLAINTEXT://127.0.0.1:{self.port}",
                    f"CONTROLLER://127.0.0.1:{self.controller_port}",
                    *(f"{name}://127.0.0.1:{door.port}" for name, door in self.doors.items()),
                ]
            ),
            "advertised.listeners": ",".join(
                [
                    f"PLAINTEXT://127.0.0.1:{self.port}",
                    *(f"{name}://127.0.0.1:{door.advertised}" for name, door in self.doors.items()),
                ]
            ),
            "log.dirs": self.data,
            # a test declares its topics, as the services do
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 5,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            # tests don't wait for members that never come, nor long for those that died
            "group.initial.rebalance.delay.ms": rebalance_delay_ms,
            "group.min.session.timeout.ms": 1000,
            # a killed node may come back as soon as its last session has run out
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # small, for small machines
            "num.network.threads": 1 if self.doors else 2,  # for each listener
            "num.io.threads": 2,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
        }
        for name, value in (security or {}).items():
            settings[name] = f"{settings[name]},{value}" if name in settings else value
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        self._properties.write_text("".join(lines), encoding="utf-8")
        (self.directory / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")

    def format_storage(self, jars: Path, cluster_id: str) -> None:
        """Format its storage with Kafka's own tool."""
        formatting = ["format", "--cluster-id", cluster_id, "--config", str(self._properties)]
        done = subprocess.run(
            self._java(jars, "kafka.tools.StorageTool", *formatting),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            message = f"formatting Apache Kafka's storage failed: {done.stdout}{done.stderr}"
            raise ApacheKafkaError(message)

    def adopt_storage(self, cluster_id: str) -> None:
        """Make a copy of another node's formatted storage that of this node."""
        path = self.data / "meta.properties"
        text = path.read_text(encoding="utf-8")
        for name, value in (
            ("cluster.id", cluster_id),
            ("directory.id", new_id()),
            ("node.id", self.number),
        ):
            text, found = re.subn(
                rf"^{re.escape(name)}=.*$", f"{name}={value}", text, flags=re.MULTILINE
            )
            assert found == 1, f"{path} has no single `{name}`"
        path.write_text(text, encoding="utf-8")

    def launch(self, jars: Path, *options: str) -> None:
        """Start the process, with these options of the JVM as well."""
        command = self._java(jars, "kafka.Kafka", str(self._properties), options=options)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                tied_to_caller(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.directory,
            )

    async def wait_until_ready(self, cluster_id: str) -> None:
        """Return once it answers.

        Raises:
            ApacheKafkaError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + _READY_TIMEOUT
        while await cluster_at(f"127.0.0.1:{self.port}") != cluster_id:
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else f"didn't answer within {_READY_TIMEOUT:.0f} s"
                log = self._log.read_text(errors="replace")[-3000:]
                message = f"Apache Kafka's node {self.number} {what}; its log ends: {log}"
                raise ApacheKafkaError(message)
            await asyncio.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL it, unless it has ended, and return once it has."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _java(
        self, jars: Path, main: str, *arguments: str, options: Sequence[str] = ()
    ) -> list[str]:
        java = kafka_jars.java_executable()
        assert java is not None, "look at missing_prerequisite() before starting Apache Kafka"
        return [
            java,
            "-Xms128m",
            f"-Xmx{self.heap_mb}m",
            # quick to start and easy on a machine with two cores; throughput does not matter here
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
            *options,
            "-cp",
            f"{jars}/*",
            main,
            *arguments,
        ]


def new_id() -> str:
    """Return a random UUID in Kafka's notation, with letters for what looks like an option."""
    encoded = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return encoded.replace("-", "A").replace("_", "B")
