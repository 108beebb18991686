"""Run the reporter: `python -m purposewatch_reporter`."""

from purposewatch_reporter.app import build_app
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_shared.logs import configure_logs
from purposewatch_shared.service import load_settings, run


def main() -> None:
    """Read the settings, then serve until told to stop."""
    settings = load_settings(ReporterSettings)
    configure_logs(settings, service="reporter")
    app, supervisor = build_app(settings)
    run(app, supervisor, host=settings.reporter_http_host, port=settings.reporter_http_port)


if __name__ == "__main__":
    main()
