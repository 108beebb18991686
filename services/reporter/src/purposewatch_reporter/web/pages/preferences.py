"""The reader's language and colours, kept in cookies."""

from starlette.responses import Response

from purposewatch_policy.languages import TAGS
from purposewatch_reporter.web.request_context import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Visit

_YEAR_SECONDS = 365 * 24 * 3600


async def set_preferences(visit: Visit) -> Response:
    """Keep a choice and go back to where it was made."""
    response = visit.go(visit.form.get("next", "/"))
    for cookie, name, known in (
        (LANGUAGE_COOKIE, "language", TAGS),
        (THEME_COOKIE, "theme", THEMES),
    ):
        if visit.form.get(name) in known:
            visit.set_cookie(response, cookie, visit.form[name], _YEAR_SECONDS)
    return response
