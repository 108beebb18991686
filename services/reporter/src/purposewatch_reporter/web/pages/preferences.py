"""The reader's language and colours, kept in cookies."""

from starlette.responses import Response

from purposewatch_policy.languages import TAGS
from purposewatch_reporter.web.request_context import (
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    THEMES,
    RequestContext,
)

_YEAR_SECONDS = 365 * 24 * 3600


async def set_preferences(context: RequestContext) -> Response:
    """Keep a choice and go back to where it was made."""
    response = context.redirect(context.form.get("next", "/"))
    for cookie, name, known in (
        (LANGUAGE_COOKIE, "language", TAGS),
        (THEME_COOKIE, "theme", THEMES),
    ):
        if context.form.get(name) in known:
            context.set_cookie(response, cookie, context.form[name], _YEAR_SECONDS)
    return response
