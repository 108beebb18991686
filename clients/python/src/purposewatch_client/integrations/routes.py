"""What requests are for: the defaults of an access by method and path."""

import re
from collections.abc import Mapping

from purposewatch_client.fields import Fields

_ROUTE = re.compile(r"(?:([A-Z]+) )?(/\S*)")
_PARAMETER = re.compile(r"\{[^{}]*\}")


class Routes:
    """Finds the defaults of a request. The first route that matches counts."""

    def __init__(self, routes: Mapping[str, str | Fields]) -> None:
        """Take routes such as `GET /members/{id}` or `/newsletter/*`, each with its defaults.

        A text is a purpose; otherwise they are arguments of `purposewatch.defaults`. Without a
        method the route is for all; `{…}` is one segment of the path, and `*` at the end is
        everything below. Raises `ValueError` for anything else.
        """
        self._routes = [
            (*_compiled(route), Fields(purpose=each) if isinstance(each, str) else each)
            for route, each in routes.items()
        ]

    def defaults_for(self, method: str, path: str) -> Fields:
        """Return the defaults of a request; empty where no route matches."""
        for wanted, pattern, found in self._routes:
            if wanted in {None, method} and pattern.fullmatch(path):
                return found.copy()
        return Fields()


def _compiled(route: str) -> tuple[str | None, re.Pattern[str]]:
    parts = _ROUTE.fullmatch(route)
    if parts is None:
        message = f"`{route}` is not a route such as `GET /members/{{id}}` or `/newsletter/*`"
        raise ValueError(message)
    method, path = parts.groups()
    below = path.endswith("/*")
    literal = path.removesuffix("/*") if below else path
    pattern = "[^/]+".join(re.escape(each) for each in _PARAMETER.split(literal))
    return method, re.compile(pattern + ("(/.*)?" if below else ""))
