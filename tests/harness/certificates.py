"""A certificate authority for tests."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from purposewatch_runtime.http import TlsFiles, server_context

_HASH = hashes.SHA256()
_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""Newer versions of Python verify strictly, and demand it of an authority."""


class Authority:
    """Issues certificates with their keys, as PEM files."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = (
            self._builder(self._subject, self._key)
            .add_extension(constraints, critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .sign(self._key, _HASH)
        )
        self.cafile = directory / f"{name}.pem"
        self.cafile.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, *alternative: x509.GeneralName, valid: timedelta = timedelta(days=1)
    ) -> Path:
        """A file with a certificate of this common name and its key, valid for so long from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, valid)
        if alternative:
            names = x509.SubjectAlternativeName(alternative)
            builder = builder.add_extension(names, critical=False)
        path = self._directory / f"{name}.pem"
        path.write_bytes(
            builder.sign(self._key, _HASH).public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return path

    def server(self, name: str = "localhost") -> ssl.SSLContext:
        """What a server of this name serves, which knows this authority's clients."""
        return server_context(
            TlsFiles(self.issue(name, x509.DNSName(name)), client_cafile=self.cafile)
        )

    def client(self, certificate: Path | None = None) -> ssl.SSLContext:
        """What a client trusts, and presents."""
        context = ssl.create_default_context(cafile=self.cafile)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        valid: timedelta = timedelta(days=1),
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + valid)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
