"""The certificates of the connection to Kafka: loaded, and loaded again when they change."""

import hashlib
import ssl
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ["KafkaCertificates", "kafka_certificates"]


_CAFILE = "CAFILE"
_PAIR = "CERTFILE or its key"


class UnloadableError(ValueError):
    """A file can't be loaded; the text names its variable."""

    def __init__(self, variable: str, error: OSError) -> None:
        reason = (error.strerror or str(error)).partition(" (_ssl.c")[0]
        super().__init__(f"PURPOSEWATCH_KAFKA_SSL_{variable} can't be loaded: {reason}")


class KafkaCertificates:
    """One TLS context for all connections of a process, made of PEM files.

    Raises `UnloadableError`.
    """

    def __init__(
        self, cafile: Path | None, certfile: Path | None, keyfile: Path | None = None
    ) -> None:
        self._cafile = cafile
        self._certfile = certfile
        self._keyfile = keyfile
        try:
            self.context = ssl.create_default_context(cafile=cafile)
        except OSError as error:  # an `SSLError` is one
            raise UnloadableError(_CAFILE, error) from None
        self.expiry: Mapping[str, float] = {}
        """When each kind of certificate expires, the first of several: seconds since 1970."""
        self._digest = b""
        self.refresh()

    def refresh(self) -> bool:
        """Load files that have changed; returns whether there were any.

        New connections use what was loaded. Authorities are added, and none is removed before the
        process restarts.
        """
        digest = self._read_digest()
        if digest == self._digest:
            return False
        if self._certfile is not None:
            try:
                # first into another context: a failure in between would leave half of the pair
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                    self._certfile, self._keyfile
                )
                self.context.load_cert_chain(self._certfile, self._keyfile)
            except OSError as error:
                raise UnloadableError(_PAIR, error) from None
        if self._cafile is not None:
            _trust(self.context, self._cafile)
        self.expiry = dict(self._expiries())
        self._digest = digest
        return True

    def _read_digest(self) -> bytes:
        digest = hashlib.sha256()
        for variable, path in (
            (_CAFILE, self._cafile),
            ("CERTFILE", self._certfile),
            ("KEYFILE", self._keyfile),
        ):
            try:
                digest.update(b"" if path is None else path.read_bytes())
            except OSError as error:
                raise UnloadableError(variable, error) from None
            digest.update(b"\0")
        return digest.digest()

    def _expiries(self) -> Iterator[tuple[str, float]]:
        if self._certfile is not None:
            # The only decoder of the standard library that needs no connection; CPython tests
            # itself with it. `test_kafka_certificates.py` notices when it changes.
            decoded = ssl._ssl._test_decode_cert(str(self._certfile))  # type: ignore[attr-defined] # noqa: SLF001
            yield "client", ssl.cert_time_to_seconds(decoded["notAfter"])
        if self._cafile is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _trust(context, self._cafile)
            found = [str(each["notAfter"]) for each in context.get_ca_certs()]
            if found:
                yield "authority", min(map(ssl.cert_time_to_seconds, found))


@cache
def kafka_certificates(
    cafile: Path | None, certfile: Path | None, keyfile: Path | None
) -> KafkaCertificates:
    """The certificates of these files, the same for all who ask."""
    return KafkaCertificates(cafile, certfile, keyfile)


def _trust(context: ssl.SSLContext, cafile: Path) -> None:
    try:
        context.load_verify_locations(cafile)
    except OSError as error:
        raise UnloadableError(_CAFILE, error) from None
