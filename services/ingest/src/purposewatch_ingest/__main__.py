"""Run ingest: `python -m purposewatch_ingest`."""

from purposewatch_ingest.app import build_app
from purposewatch_ingest.settings import IngestSettings
from purposewatch_policy import ENGINE, InvalidSourceError
from purposewatch_runtime.http import HttpLimits, TlsError
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import FatalError, run, watch_tls
from purposewatch_runtime.settings import load_settings

_log = get_logger(__name__)


def main() -> None:
    """Read the settings, then serve until stopped."""
    settings = load_settings(IngestSettings)
    configure_logs(settings, service="ingest")
    try:
        tls = watch_tls(settings.tls_files(), interval_seconds=settings.policies_reload_seconds)
        app, supervisor = build_app(settings, tls)
    except TlsError as error:
        _log.critical("cannot serve TLS", error=str(error))
        raise SystemExit(1) from None
    except InvalidSourceError as error:
        _log.critical("declared files are faulty", error=str(error))
        raise SystemExit(1) from None
    except FatalError as error:
        _log.critical("cannot start", error=str(error))
        raise SystemExit(1) from None
    _log.info("policies loaded", engine=ENGINE)
    run(
        app,
        supervisor,
        host=settings.ingest_http_host,
        port=settings.ingest_http_port,
        limits=HttpLimits.from_settings(settings, enforces_retry_after=True),
        trusted_proxies=settings.trusted_proxies,
        tls=None if tls is None else lambda: tls.current,
    )


if __name__ == "__main__":
    main()
