"""Exported files on disk, plain or compressed by gzip."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from purposewatch_connect.exports.reading import UnreadableFileError

_GZIP = b"\x1f\x8b"


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the files, and for a directory every file below it in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path


def content_of(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of a file, uncompressed. Raises `OSError` or `UnreadableFileError`."""
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    try:
        with gzip.open(path) if is_compressed else path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        message = "the compressed content is damaged or incomplete"
        raise UnreadableFileError(message) from None
    if len(content) > max_bytes:
        message = f"the content exceeds {max_bytes} bytes; split the file, or raise the setting"
        raise UnreadableFileError(message)
    return content
