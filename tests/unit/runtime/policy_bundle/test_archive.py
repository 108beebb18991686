"""An archive holds YAML files and its number, and is read with care."""

import gzip
import io
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_runtime.policy_bundle import BundleError, create_bundle, read_bundle

CREATED = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
MANIFEST = b'{"number": 7, "created": "2026-03-02T08:15:00Z"}'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two policy files, and one that does not belong to them."""
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "policy.yaml").write_text("a: 1\n")
    (tmp_path / "purposes.yaml").write_text("b: 2\n")
    (tmp_path / "notes.txt").write_text("none of it\n")
    return tmp_path


def packed(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """An archive with these members after the manifest."""
    made = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=made, mode="wb") as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, content in (("bundle.json", MANIFEST), *members):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.type = tarfile.REGTYPE if name == "bundle.json" else kind
            info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def test_what_is_packed_is_read(directory: Path, tmp_path: Path) -> None:
    """The same files below another directory, and nothing but YAML."""
    bundle = read_bundle(create_bundle(directory, number=7, created=CREATED))
    assert (bundle.number, bundle.created) == (7, CREATED)
    assert bundle.files == {"crm/policy.yaml": b"a: 1\n", "purposes.yaml": b"b: 2\n"}
    bundle.write(tmp_path / "other")
    assert (tmp_path / "other" / "crm" / "policy.yaml").read_text() == "a: 1\n"


def test_the_same_files_give_the_same_bytes(directory: Path) -> None:
    """So that whoever makes the bundle again can compare."""
    first = create_bundle(directory, number=7, created=CREATED)
    (directory / "purposes.yaml").touch()
    assert create_bundle(directory, number=7, created=CREATED) == first
    assert create_bundle(directory, number=8, created=CREATED) != first


@pytest.mark.parametrize(
    "name",
    ["../outside.yaml", "/absolute.yaml", "a/../../b.yaml", "script.sh", "a\\b.yaml", "a\nb.yaml"],
)
def test_a_member_that_could_do_harm_is_refused(name: str) -> None:
    """A path that leads elsewhere, or no YAML."""
    with pytest.raises(BundleError, match="not allowed"):
        read_bundle(packed((name, b"a: 1\n")))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files_are_members(kind: bytes) -> None:
    """No links, devices or directories."""
    with pytest.raises(BundleError, match="not allowed"):
        read_bundle(packed(("a.yaml", b""), kind=kind))


def test_a_sparse_member_is_refused() -> None:
    """It would say in a few bytes that it unpacks to terabytes of zeros."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        info = tarfile.TarInfo("a.yaml")
        info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
        tar.addfile(info)
    with pytest.raises(BundleError, match="not allowed"):
        read_bundle(gzip.compress(made.getvalue()))


def test_a_member_twice_is_refused() -> None:
    """Readers would disagree about which one counts."""
    with pytest.raises(BundleError, match="not allowed"):
        read_bundle(packed(("a.yaml", b"a: 1\n"), ("a.yaml", b"a: 2\n")))


def test_a_bomb_is_refused() -> None:
    """A small archive that would unpack to more than the limit."""
    zeros = gzip.compress(bytes(64 * 1024 * 1024)) * 5  # gzip joins what is concatenated
    with pytest.raises(BundleError, match="more than 256 MiB"):
        read_bundle(zeros)


@pytest.mark.parametrize(
    "archive",
    [b"", b"no archive", gzip.compress(b"", mtime=0), gzip.compress(b"x" * 2000, mtime=0)],
)
def test_what_is_not_an_archive_is_refused(archive: bytes) -> None:
    """The error says what it should be."""
    with pytest.raises(BundleError, match="is not a bundle"):
        read_bundle(archive)


@settings(max_examples=200)
@given(st.data())
def test_damaged_archives_are_refused_or_read(data: st.DataObject) -> None:
    """Never any other error, whatever happens to the bytes."""
    whole = packed(("a.yaml", b"a: 1\n"), ("b/c.yaml", b"b: 2\n"))
    archive = bytearray(gzip.decompress(whole))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BundleError):
        read_bundle(gzip.compress(bytes(archive)))
