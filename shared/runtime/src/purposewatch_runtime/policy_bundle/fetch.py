"""Where a bundle comes from: a file, or an address that is asked again and again."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from purposewatch_runtime.policy_bundle.archive import MAX_ARCHIVE_BYTES, BundleError

_MAX_SIGNATURE_BYTES = 4096
_TIMEOUT_SECONDS = 30.0
SIGNATURE_SUFFIX = ".minisig"


class FetchError(Exception):
    """The source can't be read now; to be tried again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An archive, and its signature if there is one."""

    archive: bytes
    signature: str | None
    tag: str | None = None
    """What the source knows this state by."""


class BundleSource(Protocol):
    """What a bundle is fetched from."""

    def fetch(self, tag: str | None) -> Fetched | None:
        """Return the bundle, or `None` if it is still the one with this tag.

        Raises `FetchError`, and `BundleError` for what is too large.
        """


class FileSource:
    """A file that somebody mounts or copies, with the signature beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, tag: str | None) -> Fetched | None:
        """See `BundleSource`."""
        signature = self._path.with_name(self._path.name + SIGNATURE_SUFFIX)
        try:
            found = self._path.stat()
            now = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
            if now == tag:
                return None
            if found.st_size > MAX_ARCHIVE_BYTES:
                raise BundleError(_too_large())
            text = signature.read_text("ascii", "replace") if signature.exists() else None
            return Fetched(self._path.read_bytes(), text, now)
        except OSError as error:
            message = f"{self._path} can't be read: {(error.strerror or 'failed').lower()}"
            raise FetchError(message) from None


class HttpSource:
    """An address, with the signature at the same address and `.minisig`."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._url = url
        self._token_file = token_file

    def fetch(self, tag: str | None) -> Fetched | None:
        """See `BundleSource`; the tag is the response's ETag."""
        found = self._get(self._url, MAX_ARCHIVE_BYTES, tag)
        if found is None:
            return None
        archive, etag = found
        try:
            signed = self._get(self._url + SIGNATURE_SUFFIX, _MAX_SIGNATURE_BYTES, None)
        except FetchError as error:
            if not isinstance(error.__cause__, urllib.error.HTTPError):
                raise
            signed = None  # the server has none
        return Fetched(
            archive, None if signed is None else signed[0].decode("ascii", "replace"), etag
        )

    def _get(self, url: str, limit: int, tag: str | None) -> tuple[bytes, str | None] | None:
        headers = {} if tag is None else {"If-None-Match": tag}
        try:
            if self._token_file is not None:
                headers["Authorization"] = f"Bearer {self._token_file.read_text('ascii').strip()}"
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked by the settings
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                content = response.read(limit + 1)
                etag = response.headers.get("ETag")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_MODIFIED:
                return None
            message = f"the server answered {error.code}"
            raise FetchError(message) from error
        except (OSError, ValueError) as error:
            message = f"the server can't be reached ({type(error).__name__})"
            raise FetchError(message) from None
        if len(content) > limit:
            raise BundleError(_too_large())
        return content, etag


def _too_large() -> str:
    return f"is larger than {MAX_ARCHIVE_BYTES // 1024**2} MiB"
