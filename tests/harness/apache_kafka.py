"""A real Apache Kafka on this machine: one node, or a few for runs in which nodes are killed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.harness import kafka_jars
from tests.harness.kafka_node import Door, Node, new_id
from tests.harness.kafka_template import Template, template
from tests.harness.ports import take_port
from tests.harness.required import skip_without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_REQUIRED = "PURPOSEWATCH_REQUIRE_APACHE_KAFKA"


def require_apache_kafka() -> None:
    """Skip the test without Java and Maven; fail it where they are required."""
    missing = kafka_jars.missing_prerequisite()
    if missing is not None:
        skip_without(missing, _REQUIRED)


class ApacheKafka:
    """Runs `nodes` nodes, each a broker and a controller, on free ports of the loopback interface.

    An asynchronous context manager: inside it the cluster is ready at `bootstrap_servers`. Ports
    and logs stay the same when a node is killed and restarted; all is removed at the end.

    `rebalance_delay_ms` is how long a new group waits for more members before it begins; `security`
    holds further settings of each node, `jvm` further options of its JVM.

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
        security: Mapping[str, object] | None = None,
        jvm: Sequence[str] = (),
    ) -> None:
        self._count = nodes
        self._door_names = tuple(doors)
        self._heap_mb = heap_mb
        self._rebalance_delay_ms = rebalance_delay_ms
        self._security = security
        self._jvm = tuple(jvm)
        self._cluster_id = new_id()
        self._nodes: list[Node] = []
        self._directory: Path | None = None
        self._template: Template | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of every node, comma-separated, whether it is up or not."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    def doors(self, name: str) -> Sequence[Door]:
        """A door of every node, in the order of the nodes; known once the cluster is started."""
        return [node.doors[name] for node in self._nodes]

    async def start(self) -> None:
        """Start all nodes, and return once each answers."""
        self._template = await template()
        self._directory = Path(tempfile.mkdtemp(prefix="purposewatch-kafka-"))
        self._nodes = [
            Node(
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
                node.configure(
                    self._nodes,
                    rebalance_delay_ms=self._rebalance_delay_ms,
                    security=self._security,
                )
                self._template.copy_storage(node, self._cluster_id)
                node.launch(self._template.jars, *self._template.jvm_options, *self._jvm)
            for node in self._nodes:
                await node.wait_until_ready(self._cluster_id)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill all nodes and remove their files, which nobody reads any more."""
        for node in self._nodes:
            node.kill()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def kill(self, index: int = 0) -> None:
        """SIGKILL a node, as a crash would; its log stays."""
        node = self._nodes[index]
        assert node.process is not None, f"node {index} isn't running"
        node.kill()

    def signal(self, number: int, index: int = 0) -> None:
        """Send a node a signal, such as SIGSTOP and SIGCONT."""
        node = self._nodes[index]
        assert node.process is not None, f"node {index} isn't running"
        node.process.send_signal(number)

    async def restart(self, index: int = 0) -> None:
        """Start a killed node again on its old log and port, and return once it answers."""
        node = self._nodes[index]
        assert node.process is None, f"node {index} is running; kill it first"
        assert self._template is not None
        node.launch(self._template.jars, *self._template.jvm_options, *self._jvm)
        await node.wait_until_ready(self._cluster_id)

    def log_of(self, topic: str, partition: int, index: int = 0) -> Path:
        """The file of a partition's first records on a node, as Kafka writes it."""
        folder = self._nodes[index].data / f"{topic}-{partition}"
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
