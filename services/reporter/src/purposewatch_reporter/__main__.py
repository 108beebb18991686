"""Run the reporter: `python -m purposewatch_reporter`.

With `users …`, manage who may sign in to the page; with `check-routing FILE`, check an alerting
file, with `check-counting FILE`, counting rules; with `migrate`, bring the database's schema up to
date; with `rebuild`, rebuild the ledger in an empty database.
"""

import sys

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.routing_file import check_routing
from purposewatch_reporter.app import build_app
from purposewatch_reporter.counting.rules_file import check_rules
from purposewatch_reporter.rebuild import run_rebuild
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.migrate import run_migrate
from purposewatch_reporter.web.users.command import run_command
from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import FatalError, run
from purposewatch_runtime.settings import load_settings


def main() -> None:
    """Read the settings, then serve until stopped."""
    if sys.argv[1:2] in (["users"], ["accounts"]):
        if sys.argv[1] == "accounts":
            sys.stderr.write("`accounts` is deprecated; use `users`\n")
        raise SystemExit(run_command(sys.argv[2:]))
    if sys.argv[1:2] == ["check-routing"]:
        raise SystemExit(check_routing(sys.argv[2:]))
    if sys.argv[1:2] == ["migrate"]:
        raise SystemExit(run_migrate(sys.argv[2:]))
    if sys.argv[1:2] == ["check-counting"]:
        raise SystemExit(check_rules(sys.argv[2:]))
    if sys.argv[1:2] == ["rebuild"]:
        raise SystemExit(run_rebuild(sys.argv[2:]))
    settings = load_settings(ReporterSettings)
    configure_logs(settings, service="reporter")
    try:
        app, supervisor = build_app(settings)
    except (FatalError, InvalidSourceError) as error:
        get_logger(__name__).critical("cannot start", error=str(error))
        raise SystemExit(1) from None
    run(
        app,
        supervisor,
        host=settings.reporter_http_host,
        port=settings.reporter_http_port,
        limits=HttpLimits.from_settings(settings),
        trusted_proxies=settings.trusted_proxies,
    )


if __name__ == "__main__":
    main()
