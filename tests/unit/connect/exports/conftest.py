"""Publishes exported files into a spool in memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from purposewatch_connect.exports.publish import Summary, publish_files
from purposewatch_connect.exports.reading import Reader
from purposewatch_connect.exports.settings import ExportSettings
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[4]
MAX_BYTES = 65_536


class Publisher:
    """Runs a reader over files, as the command does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.spool = MemorySpool()
        self._mapping = directory / "mapping.yaml"

    def map(self, text: str) -> None:
        """Use this mapping."""
        self._mapping.write_text(dedent(text), encoding="utf-8")

    def publish(self, reader: Reader, *paths: Path) -> Summary:
        """Publish files."""
        settings = ExportSettings(
            connect_mapping_file=self._mapping,
            policies_dir=ROOT / "policies",
            connect_export_max_bytes=MAX_BYTES,
        )
        publishing = publish_files("test", reader, paths, settings, lambda _: self.spool)
        return asyncio.run(publishing)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """A publisher without a mapping."""
    return Publisher(tmp_path)


Write = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below `logs/`."""

    def to_file(name: str, content: bytes) -> Path:
        path = tmp_path / "logs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return to_file
