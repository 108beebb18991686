"""Decompresses the bodies of requests (`Content-Encoding`) into a bounded amount of memory."""

import sys
import zlib
from collections.abc import Callable
from enum import Enum
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_WINDOW_LOG = 23
"""RFC 9659: frames of `Content-Encoding: zstd` have a window of at most 8 MiB. A decoder allocates
the window that a frame asks for before it decodes anything."""
_GZIP = 16 + zlib.MAX_WBITS


class ContentEncoding(Enum):
    """A compression of bodies that is accepted."""

    GZIP = "gzip"
    ZSTD = "zstd"


ACCEPT_ENCODING: Final = ", ".join(encoding.value for encoding in ContentEncoding)
"""What a response to an encoding that is not accepted has as `Accept-Encoding` (RFC 9110)."""


class UnknownEncodingError(Exception):
    """A body is encoded in a way that is not accepted, or more than once."""


class CorruptBodyError(Exception):
    """A body is not what its encoding says: damaged, cut off, or followed by something else."""


class ExpansionError(Exception):
    """A body is larger than its bound once it is decompressed."""


def content_encoding(header: str | None) -> ContentEncoding | None:
    """The encoding that a `Content-Encoding` header names; `None` for a plain body.

    Raises `UnknownEncodingError`.
    """
    codings = [coding.strip().lower() for coding in (header or "").split(",")]
    names = [coding.removeprefix("x-") for coding in codings if coding not in ("", "identity")]
    if not names:
        return None
    if len(names) > 1:
        raise UnknownEncodingError
    try:
        return ContentEncoding(names[0])
    except ValueError:
        raise UnknownEncodingError from None


def decompress(encoding: ContentEncoding, body: bytes, *, max_bytes: int) -> bytes:
    """The body as it was before it was compressed.

    Never produces more than `max_bytes` and one byte: `ExpansionError` if there is more. Raises
    `CorruptBodyError` for a body that is damaged or cut off, and for one of several gzip members or
    zstd frames: a million empty ones would take seconds to decode.
    """
    content, is_complete = _DECODERS[encoding](body, max_bytes + 1)
    if len(content) > max_bytes:
        raise ExpansionError
    if not is_complete:
        raise CorruptBodyError
    return content


def _decode_gzip(body: bytes, most: int) -> tuple[bytes, bool]:
    decoder = zlib.decompressobj(_GZIP)
    try:
        content = decoder.decompress(body, most)
    except zlib.error:
        raise CorruptBodyError from None
    return content, decoder.eof and not decoder.unused_data


def _decode_zstd(body: bytes, most: int) -> tuple[bytes, bool]:
    options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
    decoder = zstd.ZstdDecompressor(options=options)
    try:
        content = decoder.decompress(body, most)
    except zstd.ZstdError:
        raise CorruptBodyError from None
    return content, decoder.eof and not decoder.unused_data


_DECODERS: dict[ContentEncoding, Callable[[bytes, int], tuple[bytes, bool]]] = {
    ContentEncoding.GZIP: _decode_gzip,
    ContentEncoding.ZSTD: _decode_zstd,
}
