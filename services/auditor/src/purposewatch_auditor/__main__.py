"""Run the auditor: `python -m purposewatch_auditor`."""

from purposewatch_auditor.app import build_app
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_policy import ENGINE, InvalidSourceError
from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import FatalError, run
from purposewatch_runtime.settings import load_settings

_log = get_logger(__name__)


def main() -> None:
    """Read the settings, then serve until stopped."""
    settings = load_settings(AuditorSettings)
    configure_logs(settings, service="auditor")
    try:
        app, supervisor = build_app(settings)
    except InvalidSourceError as error:
        _log.critical("policies or publishers are faulty", error=str(error))
        raise SystemExit(1) from None
    except FatalError as error:
        _log.critical("cannot start", error=str(error))
        raise SystemExit(1) from None
    _log.info("policies loaded", engine=ENGINE)
    run(
        app,
        supervisor,
        host=settings.auditor_http_host,
        port=settings.auditor_http_port,
        limits=HttpLimits.from_settings(settings),
        trusted_proxies=settings.trusted_proxies,
    )


if __name__ == "__main__":
    main()
