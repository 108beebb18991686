"""What proves who made something: signatures of records, and bundles of policies."""

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from purposewatch_runtime.kafka import OutgoingRecord
from purposewatch_runtime.policy_bundle import (
    BundleError,
    SignatureError,
    read_bundle,
    read_public_keys,
    sign,
    verify,
)
from purposewatch_runtime.policy_bundle.minisign import public_key_text
from purposewatch_runtime.signing import Verifier
from tests.fuzz.target import Run, Target
from tests.unit.runtime.signing.test_signatures import (
    KEY,
    SIGNER,
    VERDICTS,
    outgoing,
    read,
    trusted,
)

_CONTENT = b"what is signed"
_HEAD_BYTES = 8 + 64
_BETWEEN = b"\n%%\n"


@contextmanager
def _headers() -> Iterator[Run]:
    """The header of a record: nothing counts but what the signer has signed."""
    records = [each for each in outgoing(5) if each.partition == 1]
    made = [*(SIGNER.headers([each])[0] for each in records), *SIGNER.headers(records)]
    heads = {each[:_HEAD_BYTES] for each in made}
    verifier, keys = Verifier(), trusted()

    def run(data: bytes) -> None:
        for record in records:
            accepted = verifier.refusal(read(record, data), keys) is None
            # what follows matters only until it is known that the record is in the tree
            assert not accepted or data[:_HEAD_BYTES] in heads
        moved = OutgoingRecord(VERDICTS, records[0].value, records[0].key, 2)
        assert verifier.refusal(read(moved, data), keys) is not None

    yield run


@contextmanager
def _minisign() -> Iterator[Run]:
    """A signature beside a bundle: whatever else it says, it is over this content."""
    keys = read_public_keys(public_key_text(KEY))
    signed = _SIGNATURE.splitlines()[1:4]

    def run(data: bytes) -> None:
        text = data.decode("ascii", "replace")
        try:
            verify(_CONTENT, text, keys)
        except SignatureError:
            return
        # the first line is not signed, and base64 may be written with spaces around it
        assert [line.strip() for line in text.splitlines()[1:4]] == signed

    yield run


@contextmanager
def _public_keys() -> Iterator[Run]:
    def run(data: bytes) -> None:
        try:
            keys = read_public_keys(data.decode("utf-8", "replace"))
        except SignatureError:
            return
        assert keys

    yield run


def _packed(data: bytes) -> bytes:
    """A tar of the members in an input: a line with the name and the type, and the content."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for part in data.split(_BETWEEN)[:40]:
            head, _, content = part.partition(b"\n")
            name, _, kind = head.decode("utf-8", "replace").partition("\t")
            member = tarfile.TarInfo(name)
            member.type = kind.encode()[:1] or tarfile.REGTYPE
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return packed.getvalue()


@contextmanager
def _bundles() -> Iterator[Run]:
    """An archive: what is read is written below the directory, and nowhere else."""

    def run(data: bytes) -> None:
        tar = data if data.startswith(b"bundle.json\0") else _packed(data)
        try:
            bundle = read_bundle(gzip.compress(tar, 1))
        except BundleError:
            return
        with TemporaryDirectory() as directory:
            home = Path(directory, "a", "b")
            home.mkdir(parents=True)
            try:
                bundle.write(home)
            except OSError:
                return  # a name that the file system does not take, or a file where a folder is
            written = {path for path in Path(directory).rglob("*") if path.is_file()}
            assert written == {home / name for name in bundle.files}

    yield run


_SIGNATURE = sign(_CONTENT, KEY, comment="bundle 17")
_MANIFEST = b'bundle.json\n{"number": 17, "created": "2026-03-02T08:15:00Z"}'
_BUNDLE = _BETWEEN.join(
    [_MANIFEST, b"acme/policy.1.yaml\na: b\n", b"vocabulary/common.yaml\nc: d\n"]
)
_NAMES = (
    *(b"../x.yaml", b"/x.yaml", b"a/../../x.yaml", b"a//b.yaml", b"./a.yaml", b"a\\b.yaml"),
    *(b".yaml", b"\t2", b"\t5", b"\t1", b"\tx", b"\tL", b"\tS", b"\tg", b"\x00", _BETWEEN),
    *(b"9007199254740993", b"-1", b"30 path=../../x.yaml\n", b"20 size=-512\n", b"bundle.json"),
)

TARGETS = (
    Target(
        "signed-records",
        tuple(SIGNER.headers([each for each in outgoing(5) if each.partition == 1])),
        _headers,
    ),
    Target("signed-minisign", (_SIGNATURE.encode(),), _minisign),
    Target("signed-public-keys", (public_key_text(KEY).encode(),), _public_keys),
    Target(
        "signed-bundles",
        (
            _BUNDLE,
            _packed(_BUNDLE),
            _MANIFEST + _BETWEEN + b"link.yaml\t2\n",
            _MANIFEST + _BETWEEN + b"pax\tx\n30 path=../../../../x.yaml\n" + _BETWEEN + b"a.yaml\n",
        ),
        _bundles,
        _NAMES,
    ),
)
