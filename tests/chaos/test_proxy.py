"""The proxy that stands in for a network."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.chaos.proxy import Proxy
from tests.harness.ports import take_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1024):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", take_port())
    port = server.sockets[0].getsockname()[1]
    async with Proxy(take_port(), port) as running:
        yield running
    server.close()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: bytes) -> bytes:
    writer.write(what)
    async with asyncio.timeout(0.5):
        return await reader.readexactly(len(what))


async def test_it_passes_everything_on(proxy: Proxy) -> None:
    """Uncut, it is not noticed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

    assert await _say(reader, writer, b"hello") == b"hello"
    writer.close()


async def test_a_black_hole_holds_back_and_delivers_late(proxy: Proxy) -> None:
    """Old and new connections stand, silent; what was sent meanwhile arrives after healing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await _say(reader, writer, b"before") == b"before"
    proxy.cut("blackhole")

    new_reader, new_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises(TimeoutError):
        await _say(reader, writer, b"old")
    with pytest.raises(TimeoutError):
        await _say(new_reader, new_writer, b"new")
    proxy.heal()

    async with asyncio.timeout(1):
        assert await reader.readexactly(3) == b"old"
        assert await new_reader.readexactly(3) == b"new"
    writer.close()
    new_writer.close()


async def test_a_reset_breaks_and_refuses_until_healed(proxy: Proxy) -> None:
    """Old connections end with an error, new ones at once; later ones work again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await _say(reader, writer, b"before") == b"before"
    proxy.cut("reset")

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _say(reader, writer, b"old")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _say(*await asyncio.open_connection("127.0.0.1", proxy.port), b"new")
    proxy.heal()

    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await _say(reader, writer, b"after") == b"after"
    writer.close()
