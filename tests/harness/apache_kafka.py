"""A real Apache Kafka on this machine: one node, or a few for runs in which nodes are killed."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

from purposewatch_demo.embedded_broker import cluster_at, end_process, tied_to_caller
from tests.harness import kafka_jars
from tests.harness.ports import take_port
from tests.harness.required import skip_without

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

_REQUIRED = "PURPOSEWATCH_REQUIRE_APACHE_KAFKA"
_READY_TIMEOUT = 60.0
_STOP_TIMEOUT = 20.0
_MOST_REPLICAS = 3

_LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c - %m%n
"""


def require_apache_kafka() -> None:
    """Skip the test without Java and Maven; fail it where they are required."""
    missing = kafka_jars.missing_prerequisite()
    if missing is not None:
        skip_without(missing, _REQUIRED)


class ApacheKafkaError(RuntimeError):
    """Apache Kafka doesn't come up; the message holds the end of its log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Door:
    """A way into a node that leads through something else: a listener of its own."""

    port: int
    """Where the node listens."""
    advertised: int
    """Where clients that came in by this door are told to go; the caller puts a proxy there."""


@dataclasses.dataclass(slots=True)
class _Node:
    number: int
    directory: Path
    port: int
    controller_port: int
    doors: dict[str, Door]
    heap_mb: int
    process: subprocess.Popen[bytes] | None = None


class ApacheKafka:
    """Runs `nodes` nodes, each a broker and a controller, on free ports of the loopback interface.

    An asynchronous context manager: inside it the cluster is ready at `bootstrap_servers`. Ports
    and logs stay the same when a node is killed and restarted; all is removed at the end.

    `rebalance_delay_ms` is how long a new group waits for more members before it begins.

    Whoever wants to cut the way of some clients to the brokers names a door for them (letters and
    digits) and listens at the ports that `doors` advertises.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        doors: Sequence[str] = (),
        heap_mb: int = 512,
        rebalance_delay_ms: int = 0,
    ) -> None:
        self._count = nodes
        self._door_names = tuple(doors)
        self._heap_mb = heap_mb
        self._rebalance_delay_ms = rebalance_delay_ms
        self._cluster_id = _new_cluster_id()
        self._nodes: list[_Node] = []
        self._directory: Path | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of every node, comma-separated, whether it is up or not."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    def doors(self, name: str) -> Sequence[Door]:
        """A door of every node, in the order of the nodes; known once the cluster is started."""
        return [node.doors[name] for node in self._nodes]

    async def start(self) -> None:
        """Format the storage, start all nodes, and return once each answers."""
        jars = await asyncio.to_thread(kafka_jars.resolve)
        self._directory = Path(tempfile.mkdtemp(prefix="purposewatch-kafka-"))
        self._nodes = [
            _Node(
                number,
                self._directory / str(number),
                take_port(),
                take_port(),
                {name: Door(take_port(), take_port()) for name in self._door_names},
                self._heap_mb,
            )
            for number in range(1, self._count + 1)
        ]
        try:
            for node in self._nodes:
                node.directory.mkdir()
                self._write_configuration(node)
                await asyncio.to_thread(_format_storage, jars, node, self._cluster_id)
                _launch(jars, node)
            await self._wait_until_ready(self._nodes)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all nodes at once (none has to wait for a quorum) and remove their files."""
        running = [node.process for node in self._nodes if node.process is not None]
        await asyncio.gather(*(end_process(process, patience=_STOP_TIMEOUT) for process in running))
        for node in self._nodes:
            node.process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def kill(self, index: int = 0) -> None:
        """SIGKILL a node, as a crash would; its log stays."""
        node = self._nodes[index]
        assert node.process is not None, f"node {index} isn't running"
        node.process.kill()
        node.process.wait()
        node.process = None

    def signal(self, number: int, index: int = 0) -> None:
        """Send a node a signal, such as SIGSTOP and SIGCONT."""
        node = self._nodes[index]
        assert node.process is not None, f"node {index} isn't running"
        node.process.send_signal(number)

    async def restart(self, index: int = 0) -> None:
        """Start a killed node again on its old log and port, and return once it answers."""
        node = self._nodes[index]
        assert node.process is None, f"node {index} is running; kill it first"
        _launch(kafka_jars.resolve(), node)
        await self._wait_until_ready([node])

    def log_of(self, topic: str, partition: int, index: int = 0) -> Path:
        """The file of a partition's first records on a node, as Kafka writes it."""
        folder = self._nodes[index].directory / "data" / f"{topic}-{partition}"
        return folder / f"{0:020d}.log"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _write_configuration(self, node: _Node) -> None:
        voters = ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self._nodes)
        replicas = min(self._count, _MOST_REPLICAS)
        in_sync = max(1, replicas - 1)
        settings = {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *node.doors)
            ),
            "listeners": ",".join(
                [
                    f"PLAINTEXT://127.0.0.1:{node.port}",
                    f"CONTROLLER://127.0.0.1:{node.controller_port}",
                    *(f"{name}://127.0.0.1:{door.port}" for name, door in node.doors.items()),
                ]
            ),
            "advertised.listeners": ",".join(
                [
                    f"PLAINTEXT://127.0.0.1:{node.port}",
                    *(f"{name}://127.0.0.1:{door.advertised}" for name, door in node.doors.items()),
                ]
            ),
            "log.dirs": node.directory / "data",
            # a test declares its topics, as the services do
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 5,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            # tests don't wait for members that never come, nor long for those that died
            "group.initial.rebalance.delay.ms": self._rebalance_delay_ms,
            "group.min.session.timeout.ms": 1000,
            # a killed node may come back as soon as its last session has run out
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # small, for small machines
            "num.network.threads": 1 if node.doors else 2,  # for each listener
            "num.io.threads": 2,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (node.directory / "server.properties").write_text("".join(lines), encoding="utf-8")
        (node.directory / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")

    async def _wait_until_ready(self, nodes: Iterable[_Node]) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        for node in nodes:
            while await cluster_at(f"127.0.0.1:{node.port}") != self._cluster_id:
                ended = node.process is None or node.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    what = "ended" if ended else f"didn't answer within {_READY_TIMEOUT:.0f} s"
                    log = (node.directory / "server.log").read_text(errors="replace")[-3000:]
                    message = f"Apache Kafka's node {node.number} {what}; its log ends: {log}"
                    raise ApacheKafkaError(message)
                await asyncio.sleep(0.2)


def _launch(jars: Path, node: _Node) -> None:
    command = _java(jars, node, "kafka.Kafka", str(node.directory / "server.properties"))
    with (node.directory / "server.log").open("ab") as log:
        node.process = subprocess.Popen(
            tied_to_caller(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=node.directory,
        )


def _format_storage(jars: Path, node: _Node, cluster_id: str) -> None:
    properties = str(node.directory / "server.properties")
    formatting = ["format", "--cluster-id", cluster_id, "--config", properties]
    done = subprocess.run(
        _java(jars, node, "kafka.tools.StorageTool", *formatting),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"formatting Apache Kafka's storage failed: {done.stdout}{done.stderr}"
        raise ApacheKafkaError(message)


def _new_cluster_id() -> str:
    """Return a random UUID in Kafka's notation, with letters for what looks like an option."""
    encoded = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return encoded.replace("-", "A").replace("_", "B")


def _java(jars: Path, node: _Node, main: str, *arguments: str) -> list[str]:
    java = kafka_jars.java_executable()
    assert java is not None, "look at missing_prerequisite() before starting Apache Kafka"
    return [
        java,
        "-Xms128m",
        f"-Xmx{node.heap_mb}m",
        # quick to start and easy on a machine with two cores; throughput does not matter here
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={node.directory / 'log4j2.properties'}",
        "-cp",
        f"{jars}/*",
        main,
        *arguments,
    ]
