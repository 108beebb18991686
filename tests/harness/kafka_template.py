"""What every node of Apache Kafka begins with, made once a machine and kept in `build/`.

Tests start some forty nodes. A node that copies a formatted storage, and whose JVM finds its
classes in an archive, takes a third of the processor's time that it takes without.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.harness import kafka_jars
from tests.harness.kafka_node import Node, new_id
from tests.harness.ports import take_port

_STOP_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Template:
    """The template of this machine; made at the first use."""

    jars: Path
    directory: Path

    def copy_storage(self, node: Node, cluster_id: str) -> None:
        """Give the node a formatted storage."""
        shutil.copytree(self.directory / "data", node.data)
        node.adopt_storage(cluster_id)

    @property
    def jvm_options(self) -> tuple[str, ...]:
        """Options that have the JVM read the archive; it does without one that does not fit."""
        return (f"-XX:SharedArchiveFile={self.directory / 'classes.jsa'}",)


async def template() -> Template:
    """Return the template, after making it if need be: one process makes it, others wait."""
    jars = await asyncio.to_thread(kafka_jars.resolve)
    made = Template(jars, jars / "template")
    with (jars / "template.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not made.directory.exists():
            await _make(made)
    return made


async def _make(made: Template) -> None:
    with tempfile.TemporaryDirectory(dir=made.jars) as temporary:
        fresh, cluster_id = Path(temporary), new_id()
        node = Node(1, fresh, take_port(), take_port(), {}, heap_mb=256)
        node.configure([node], rebalance_delay_ms=0)
        await asyncio.to_thread(node.format_storage, made.jars, cluster_id)
        shutil.copytree(node.data, fresh / "template" / "data")
        node.launch(made.jars, f"-XX:ArchiveClassesAtExit={fresh / 'template' / 'classes.jsa'}")
        try:
            await node.wait_until_ready(cluster_id)
            assert node.process is not None
            node.process.terminate()  # it writes the archive while it ends
            await asyncio.to_thread(node.process.wait, _STOP_TIMEOUT)
        finally:
            node.kill()
        (fresh / "template").rename(made.directory)
