"""The commands `purposewatch bundle create`, `sign`, `public-key` and `verify`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from purposewatch_cli.kafka import fail
from purposewatch_cli.policy.loading import DEFAULT_POLICIES, PoliciesOption, load_or_exit
from purposewatch_cli.terminal import counted, printable
from purposewatch_runtime.policy_bundle import (
    BundleError,
    SignatureError,
    create_bundle,
    public_key_text,
    read_bundle,
    read_public_keys,
    sign,
    verify,
)

_SIGNATURE = ".minisig"
_PASSPHRASE = "PURPOSEWATCH_BUNDLE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_INVALID = 1

bundle_app = typer.Typer(
    help="Make, sign and verify bundles: policies as one archive.", no_args_is_help=True
)

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A gzipped tar archive.")]
KeyOption = Annotated[
    Path,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="An Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` makes it. Its "
        f"passphrase, if it has one, is read from {_PASSPHRASE}.",
    ),
]


@bundle_app.command(epilog="Example: purposewatch bundle create --out policies.tar.gz")
def create(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The archive to write.")],
    policies: PoliciesOption = DEFAULT_POLICIES,
    number: Annotated[
        int | None,
        typer.Option(
            min=0, help="Greater than that of the bundle before; by default the time in seconds."
        ),
    ] = None,
) -> None:
    """Put policies and vocabularies into one archive, if they have no faults."""
    load_or_exit(policies)
    now = datetime.now(UTC).replace(microsecond=0)
    number = int(now.timestamp()) if number is None else number
    with _usable(out):
        out.write_bytes(create_bundle(policies, number=number, created=now))
    typer.echo(f"{printable(str(out))}: bundle {number}; sign it with `purposewatch bundle sign`")


@bundle_app.command(
    "sign", epilog="Example: purposewatch bundle sign policies.tar.gz --key-file policies.pem"
)
def sign_bundle(bundle: BundleArgument, key_file: KeyOption) -> None:
    """Write the signature of a bundle beside it, as `minisign` would."""
    private = _private(key_file)
    with _usable(bundle):
        archive = bundle.read_bytes()
        number = read_bundle(archive).number
        signature = sign(archive, private, comment=f"number:{number} file:{bundle.name}")
        target = bundle.with_name(bundle.name + _SIGNATURE)
        target.write_text(signature, "ascii")
    typer.echo(f"{printable(str(target))}: the signature; publish both")


@bundle_app.command(
    "public-key",
    epilog="Example: purposewatch bundle public-key --key-file policies.pem > policies.pub",
)
def public_key(key_file: KeyOption) -> None:
    """Print the public key of a private one, for PURPOSEWATCH_POLICIES_BUNDLE_KEYS_FILE."""
    typer.echo(public_key_text(_private(key_file)), nl=False)


@bundle_app.command(
    "verify", epilog="Example: purposewatch bundle verify policies.tar.gz --keys policies.pub"
)
def verify_bundle(
    bundle: BundleArgument,
    keys: Annotated[
        Path, typer.Option(metavar="FILE", help="Public keys, as `minisign` writes them.")
    ],
) -> None:
    """Check that one of the keys signed a bundle, and say what is in it.

    Exit status: 0 it did, 1 it did not, 2 unusable.
    """
    with _usable(keys):
        trusted = read_public_keys(keys.read_text("ascii"))
    with _usable(bundle):
        archive = bundle.read_bytes()
        found = read_bundle(archive)
        signature = bundle.with_name(bundle.name + _SIGNATURE).read_text("ascii")
    try:
        signer = verify(archive, signature, trusted)
    except SignatureError as error:
        typer.echo(f"{printable(str(bundle))}: {error}", err=True)
        raise typer.Exit(_INVALID) from None
    created = f"{found.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(
        f"{printable(str(bundle))}: bundle {found.number} of {created}, "
        f"{counted(len(found.files), 'file')}, signed by {signer.name}"
    )


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"{error.filename or path}: {(error.strerror or 'cannot be used').lower()}")
    except (BundleError, SignatureError) as error:
        fail(f"{path}: {error}")
    except UnicodeDecodeError:
        fail(f"{path}: is not a text file")


def _private(path: Path) -> Ed25519PrivateKey:
    passphrase = os.environ.get(_PASSPHRASE)
    with _usable(path):
        content = path.read_bytes()
    try:
        key = load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError:
        fail(f"{path}: has a passphrase, or none is needed; see {_PASSPHRASE}")
    except ValueError:
        fail(f"{path}: is not a private key in PEM, or its passphrase is wrong")
    if not isinstance(key, Ed25519PrivateKey):
        fail(f"{path}: is not an Ed25519 key; `openssl genpkey -algorithm ed25519` makes one")
    return key
