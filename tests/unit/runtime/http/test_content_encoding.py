"""Decompression of bodies."""

import gzip
import os
import tracemalloc
from collections.abc import Callable

import pytest
from backports import zstd

from purposewatch_runtime.http import (
    ContentEncoding,
    CorruptBodyError,
    ExpansionError,
    UnknownEncodingError,
    content_encoding,
    decompress,
)

CONTENT = b'{"id": "e-1"}' * 100
COMPRESS: dict[ContentEncoding, Callable[[bytes], bytes]] = {
    ContentEncoding.GZIP: gzip.compress,
    ContentEncoding.ZSTD: zstd.compress,
}
MEGABYTE = 1_048_576

each_encoding = pytest.mark.parametrize("encoding", ContentEncoding)


@each_encoding
def test_content_comes_back(encoding: ContentEncoding) -> None:
    """Up to exactly the bound, and an empty one as well."""
    body = COMPRESS[encoding](CONTENT)
    assert decompress(encoding, body, max_bytes=len(CONTENT)) == CONTENT
    with pytest.raises(ExpansionError):
        decompress(encoding, body, max_bytes=len(CONTENT) - 1)
    assert decompress(encoding, COMPRESS[encoding](b""), max_bytes=0) == b""


@each_encoding
def test_damaged_content_is_told_apart(encoding: ContentEncoding) -> None:
    """Cut off anywhere, changed, followed by more, or not compressed at all."""
    body = COMPRESS[encoding](os.urandom(200))
    damaged = body[:100] + bytes([body[100] ^ 1]) + body[101:]
    faulty = [body[:length] for length in range(0, len(body), 7)]
    faulty += [body + b"x", body + body, CONTENT]
    if encoding is ContentEncoding.GZIP:  # zstd has a checksum only on request
        faulty.append(damaged)
    for each in faulty:
        with pytest.raises(CorruptBodyError):
            decompress(encoding, each, max_bytes=MEGABYTE)


@each_encoding
def test_bomb_costs_no_memory(encoding: ContentEncoding) -> None:
    """A few kilobytes that expand to a hundred megabytes take no more than the bound allows."""
    bomb = COMPRESS[encoding](bytes(100 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(ExpansionError):
            decompress(encoding, bomb, max_bytes=MEGABYTE)
        assert tracemalloc.get_traced_memory()[1] < 5 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_frame_that_asks_for_a_large_window_is_refused() -> None:
    """The window is memory as well, which a decoder takes before it decodes anything."""
    options = {int(zstd.CompressionParameter.window_log): 27}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(CONTENT, zstd.ZstdCompressor.FLUSH_BLOCK) + compressor.flush()
    assert zstd.decompress(body) == CONTENT
    with pytest.raises(CorruptBodyError):
        decompress(ContentEncoding.ZSTD, body, max_bytes=MEGABYTE)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("GZIP", ContentEncoding.GZIP),
        ("x-gzip", ContentEncoding.GZIP),
        (" zstd , identity", ContentEncoding.ZSTD),
    ],
)
def test_header_names_an_encoding(header: str | None, expected: ContentEncoding | None) -> None:
    """In any case; `identity` is none, and `x-gzip` is an old name of gzip (RFC 9110)."""
    assert expected == content_encoding(header)


@pytest.mark.parametrize("header", ["br", "deflate", "gzip, gzip", "gzip, zstd", "\x00"])
def test_other_encodings_are_not_accepted(header: str) -> None:
    """Neither are several at once."""
    with pytest.raises(UnknownEncodingError):
        content_encoding(header)
