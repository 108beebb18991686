"""The OpenLineage receiver on a real socket, to which the official client sends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpCompression,
    HttpConfig,
    HttpTransport,
)

from purposewatch_connect.openlineage.app import build_app
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[4]
TOKEN = "a-token"
MAX_BYTES = 65_536


@dataclass
class Receiver:
    """The receiver, and the spool behind it."""

    spool: MemorySpool
    url: str

    def emit(self, event: RunEvent, compression: HttpCompression | None = None) -> None:
        """Send an event with the official client. Raises what the client raises."""
        auth = ApiKeyTokenProvider({"apiKey": TOKEN})
        config = HttpConfig(url=self.url, auth=auth, compression=compression, retry={"total": 0})
        OpenLineageClient(transport=HttpTransport(config)).emit(event)

    def post(
        self, content: bytes, token: str = TOKEN, path: str = "/api/v1/lineage"
    ) -> httpx.Response:
        """Post a content."""
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(f"{self.url}{path}", content=content, headers=headers)

    def empty(self) -> None:
        """Empty the spool."""
        self.spool.accesses.clear()
        self.spool.gaps.clear()
        self.spool.is_full = False

    @property
    def seen(self) -> list[tuple[str, tuple[str, ...]]]:
        """Operation and categories of each access."""
        return [(each.operation, each.data_categories) for each in self.spool.accesses]

    @property
    def gaps(self) -> list[tuple[str, str]]:
        """Kind and name of each gap."""
        return [(each.kind, each.name) for each in self.spool.gaps]


@asynccontextmanager
async def receiving(mapping: str, directory: Path) -> AsyncIterator[Receiver]:
    """Run the whole application with a mapping."""
    path = directory / "mapping.yaml"
    path.write_text(dedent(mapping), encoding="utf-8")
    spool = MemorySpool()
    settings = OpenLineageSettings(
        connect_mapping_file=path,
        policies_dir=ROOT / "policies",
        connect_token=TOKEN,
        connect_max_request_bytes=MAX_BYTES,
    )
    app, supervisor = build_app(settings, spool_of=lambda _: spool)
    with serving(app, HttpLimits()) as server:
        async with supervisor:
            yield Receiver(spool, f"http://127.0.0.1:{server.port}")


def schema(*names: str) -> dict[str, Any]:
    """The facet with the columns of a dataset."""
    return {
        "schema": SchemaDatasetFacet([SchemaDatasetFacetFields(name, "text") for name in names])
    }
