"""Compressed requests."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest
from backports import zstd

from purposewatch_ingest.http.request_shares import RequestShares
from tests.unit.ingest.conftest import BATCHED, STRUCTURED, FakeProducer, post, problem

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}

each_encoding = pytest.mark.parametrize("encoding", COMPRESS)


def encoded(encoding: str) -> dict[str, str]:
    """The header that says how the content is compressed."""
    return {"Content-Encoding": encoding}


@each_encoding
async def test_compressed_events_are_accepted(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, encoding: str
) -> None:
    """A single one and a large batch give what they give uncompressed."""
    batch = [event(id=f"e-{number}") for number in range(1_000)]
    for content, content_type in ((event(), STRUCTURED), (batch, BATCHED)):
        plain = json.dumps(content).encode()
        await post(client, plain, content_type)
        expected = [record.value for record in producer.records]
        producer.records.clear()
        body = COMPRESS[encoding](plain)
        response = await post(client, body, content_type, **encoded(encoding))
        assert response.status_code == 202, response.text
        assert expected == [record.value for record in producer.records]
        producer.records.clear()


@each_encoding
async def test_bounds_are_those_of_the_decompressed_content(
    client: httpx.AsyncClient, encoding: str
) -> None:
    """By size, and by how many times larger it is than what was sent."""
    compress = COMPRESS[encoding]
    noise = b"".join(b"%d " % zlib.crc32(b"%d" % number) for number in range(100_000))
    large = compress(noise[:1_048_577])  # digits expand to a few times their size only
    refused = problem(await post(client, large, BATCHED, **encoded(encoding)), 413, "too-large")
    assert refused["detail"].startswith("the decompressed content exceeds 1048576 bytes")
    expanding = compress(b"[" + b" " * 900_000 + b"]")
    refused = problem(await post(client, expanding, BATCHED, **encoded(encoding)), 413, "too-large")
    assert "more than 200 times" in refused["detail"]


@each_encoding
async def test_damaged_content_is_a_problem_of_its_own(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, encoding: str
) -> None:
    """Content that is cut off, or is not compressed although the header says so."""
    plain = json.dumps(event()).encode()
    for body in (COMPRESS[encoding](plain)[:-1], plain, b""):
        found = problem(await post(client, body, **encoded(encoding)), 400, "corrupt")
        assert f"`{encoding}`" in found["detail"]
    assert producer.records == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
async def test_other_encodings_are_refused_with_those_accepted(
    client: httpx.AsyncClient, encoding: str
) -> None:
    """Before the content is read."""
    response = await post(client, b"x", **encoded(encoding))
    problem(response, 415, "unsupported-media-type")
    assert response.headers["accept-encoding"] == "gzip, zstd"


async def test_share_is_taken_for_the_decompressed_content(
    client: httpx.AsyncClient,
    event: MakeEvent,
    request_shares: RequestShares,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory for what it can become, slots for what it is; without a length, for the maximum."""
    taken: list[tuple[str, int]] = []
    for name in ("receive", "handle"):
        original = getattr(request_shares, name)

        def noting(publisher: str, size: int, name: str = name, original: Any = original) -> Any:
            taken.append((name, size))
            return original(publisher, size)

        monkeypatch.setattr(request_shares, name, noting)
    plain = json.dumps(event()).encode()
    body = gzip.compress(plain)
    assert (await post(client, body, **encoded("gzip"))).status_code == 202
    assert [("receive", len(body) * 200), ("handle", len(plain))] == taken
