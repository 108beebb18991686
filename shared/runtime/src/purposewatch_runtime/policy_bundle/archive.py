"""The archive of a bundle: a gzipped tar of YAML files, and `bundle.json` with its number.

The same files, number and time always give the same bytes.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
_MAX_BYTES = 256 * 1024 * 1024
_MAX_FILES = 50_000
_MAX_NUMBER = 2**53 - 1
_MANIFEST = "bundle.json"
_UNREADABLE = (
    *(tarfile.TarError, OSError, EOFError, zlib.error, ValueError),
    OverflowError,  # a header of the archive states a length that no file has
)


class BundleError(ValueError):
    """An archive can't be used; the message says why."""


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    dataschema: Literal["urn:purposewatch:policy-bundle:1.0"] = "urn:purposewatch:policy-bundle:1.0"
    number: int = Field(ge=0, le=_MAX_NUMBER)
    created: AwareDatetime


@dataclass(frozen=True, slots=True)
class Bundle:
    """The policies of a bundle, and which bundle it is."""

    number: int
    """Of two bundles, the one with the greater number is newer."""
    created: datetime
    files: Mapping[str, bytes]
    """By path relative to the policies' directory, with slashes."""
    digest: str
    """SHA-256 of the archive, in hex."""

    def write(self, directory: Path) -> None:
        """Write the files below a directory."""
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def create_bundle(directory: Path, *, number: int, created: datetime) -> bytes:
    """Return the archive of all YAML files below a directory."""
    manifest = _Manifest(number=number, created=created)
    members = {_MANIFEST: manifest.model_dump_json().encode()}
    for path in sorted(directory.rglob("*.yaml")):
        members[path.relative_to(directory).as_posix()] = path.read_bytes()
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def read_bundle(archive: bytes) -> Bundle:
    """Read an archive. Raises `BundleError`, also for one that would unpack to too much."""
    try:
        members = _members(_unpacked(archive))
    except _UNREADABLE as error:
        if isinstance(error, BundleError):
            raise
        message = (
            "is not a bundle: not a gzipped tar archive; `purposewatch bundle create` makes one"
        )
        raise BundleError(message) from None
    try:
        manifest = _Manifest.model_validate_json(members.pop(_MANIFEST, b""))
    except ValidationError:
        message = f"is not a bundle: it has no valid `{_MANIFEST}`"
        raise BundleError(message) from None
    digest = hashlib.sha256(archive).hexdigest()
    return Bundle(manifest.number, manifest.created, members, digest)


def _unpacked(archive: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(archive)) as zipped:
        content = zipped.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        message = f"unpacks to more than {_MAX_BYTES // 1024**2} MiB"
        raise BundleError(message)
    return content


def _members(content: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            name = member.name
            if len(members) > _MAX_FILES:
                message = f"has more than {_MAX_FILES} files"
                raise BundleError(message)
            if (
                not member.isreg()
                or member.issparse()  # it would unpack to more than it holds
                or not _is_safe(name)
                or name in members
            ):
                message = f"has a member that is not allowed: {name!r}"
                raise BundleError(message)
            read = tar.extractfile(member)
            members[name] = b"" if read is None else read.read()
    return members


def _is_safe(name: str) -> bool:
    """Whether it is a YAML file, or the manifest, below the directory."""
    path = PurePosixPath(name)
    return name == _MANIFEST or (
        path.suffix == ".yaml"
        and not path.is_absolute()
        and not {"..", ""} & set(name.split("/"))
        and "\\" not in name
        and name.isprintable()
    )
