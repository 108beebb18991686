"""The certificate that a service serves TLS with, while it runs."""

import ssl

from purposewatch_runtime.http import TlsFiles, server_context
from purposewatch_runtime.service.file_reloader import FileReloader


def watch_tls(
    files: TlsFiles | None, *, interval_seconds: float
) -> FileReloader[ssl.SSLContext] | None:
    """What TLS is served with, loaded again when the certificate changes; `None` without files.

    Raises `TlsError`.
    """
    if files is None:
        return None
    return FileReloader(
        files.certfile,
        lambda _: server_context(files),
        interval=interval_seconds,
        on_result=lambda _: None,
        name="certificate",
    )
