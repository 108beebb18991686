"""The certificate of OTLP/gRPC, which is renewed with that of OTLP/HTTP."""

import grpc

from purposewatch_connect.connector import Certificate
from purposewatch_runtime.http import TlsFiles


class GrpcCertificate:
    """Gives gRPC the files that `certificate` has checked."""

    def __init__(self, files: TlsFiles, certificate: Certificate) -> None:
        self._files = files
        self._certificate = certificate
        self._served = certificate.current

    def credentials(self) -> grpc.ServerCredentials:
        """What a server listens with.

        With authorities of clients, a client has to present a certificate of one of them.
        """
        return grpc.dynamic_ssl_server_credentials(
            self._load(),
            self._renewed,  # type: ignore[arg-type]  # the stubs lack `None`
            require_client_authentication=self._files.client_cafile is not None,
        )

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What to serve from now on, or `None` for no change; asked for every connection."""
        current = self._certificate.current
        if current is self._served:
            return None
        try:
            configuration = self._load()
        except OSError:
            return None
        self._served = current
        return configuration

    def _load(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        certificate = files.certfile.read_bytes()
        key = certificate if files.keyfile is None else files.keyfile.read_bytes()
        authorities = None if files.client_cafile is None else files.client_cafile.read_bytes()
        return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)
