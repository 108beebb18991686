"""The addresses of the page."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.pages.discovery import show_counting_alert, show_discovery
from purposewatch_reporter.web.pages.export import export_csv, export_json
from purposewatch_reporter.web.pages.exports import show_exports
from purposewatch_reporter.web.pages.finding import show_finding
from purposewatch_reporter.web.pages.flows import show_flow, show_flows
from purposewatch_reporter.web.pages.gaps import show_gaps
from purposewatch_reporter.web.pages.late_facts import show_late_facts
from purposewatch_reporter.web.pages.overview import show_overview
from purposewatch_reporter.web.pages.policies import show_policies, show_policy
from purposewatch_reporter.web.pages.preferences import set_preferences
from purposewatch_reporter.web.pages.records import (
    export_record,
    print_record,
    show_record,
    show_records,
)
from purposewatch_reporter.web.pages.second_factor import (
    change_second_factor,
    show_second_factor,
)
from purposewatch_reporter.web.pages.shadow import show_shadow
from purposewatch_reporter.web.pages.sign_in import (
    change_password,
    show_account,
    show_sign_in,
    sign_in,
    sign_out,
)
from purposewatch_reporter.web.pages.triage import (
    end_exception,
    silence_finding,
    triage_finding,
    triage_violation,
    unsilence_finding,
)
from purposewatch_reporter.web.pages.violation import show_violation
from purposewatch_reporter.web.pages.violations import show_findings, show_violations
from purposewatch_reporter.web.pages.vocabulary import show_vocabulary
from purposewatch_reporter.web.pages.what_if import (
    WHAT_IF,
    ask_what_if,
    export_what_if_csv,
    export_what_if_json,
    show_what_if,
)
from purposewatch_reporter.web.rendering import ASSETS, asset
from purposewatch_reporter.web.request_context import SECOND_FACTOR, Handler, page_endpoint
from purposewatch_reporter.web.security import protect
from purposewatch_reporter.web.users.roles import Role


def web_routes(app: WebApp) -> list[Route]:
    """Every page, form and file."""

    def page(path: str, handler: Handler, needed: Role | None = Role.VIEWER) -> Route:
        return Route(path, page_endpoint(app, handler, needed), methods=["GET"])

    def form(path: str, handler: Handler, needed: Role | None = Role.OFFICER) -> Route:
        return Route(path, page_endpoint(app, handler, needed), methods=["POST"])

    async def give_asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return protect(Response(status_code=HTTPStatus.NOT_FOUND), is_https=app.is_https)
        response = Response(asset(name), media_type=ASSETS[name])
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return protect(response, is_https=app.is_https)

    return [
        page("/", show_overview),
        page("/findings", show_findings),
        page("/findings/{id}", show_finding),
        page("/violations", show_violations),
        page("/violations.csv", export_csv),
        page("/violations.jsonl", export_json),
        page("/violations/{id}", show_violation),
        page("/exports", show_exports),
        page("/flows", show_flows),
        page("/flows/{id}", show_flow),
        page("/gaps", show_gaps),
        page("/late-facts", show_late_facts),
        page("/discovery", show_discovery),
        page("/discovery/counting/{id}/{episode}", show_counting_alert),
        page("/policies", show_policies),
        page("/policies/{controller}/{version}", show_policy),
        page("/shadow", show_shadow),
        page("/records", show_records),
        page("/records/{controller}", show_record),
        page("/records/{controller}/print", print_record),
        page("/records/{controller}/file/{format}", export_record),
        page("/vocabulary", show_vocabulary),
        page(WHAT_IF, show_what_if),
        form(WHAT_IF, ask_what_if, Role.VIEWER),
        form(f"{WHAT_IF}.csv", export_what_if_csv, Role.VIEWER),
        form(f"{WHAT_IF}.jsonl", export_what_if_json, Role.VIEWER),
        page("/account", show_account),
        page(SECOND_FACTOR, show_second_factor),
        page("/sign-in", show_sign_in, None),
        form("/sign-in", sign_in, None),
        form("/sign-out", sign_out, Role.VIEWER),
        form("/account", change_password, Role.VIEWER),
        form(SECOND_FACTOR, change_second_factor, Role.VIEWER),
        form("/preferences", set_preferences, None),
        form("/violations/{id}/triage", triage_violation),
        form("/findings/{id}/triage", triage_finding),
        form("/findings/{id}/silence", silence_finding),
        form("/findings/{id}/end-silence", unsilence_finding),
        form("/exceptions/{id}/end", end_exception),
        Route("/assets/{digest}/{name}", give_asset, methods=["GET"]),
    ]
