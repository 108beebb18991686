"""`access`: what a block or a function does with the data of one subject."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar, Unpack, cast

from purposewatch_client.fields import Fields

__all__ = ["Access", "current_access"]

_log = logging.getLogger("purposewatch_client")

P = ParamSpec("P")
R = TypeVar("R")

_CURRENT: ContextVar["Access | None"] = ContextVar("purposewatch_access", default=None)

current_access = _CURRENT.get
"""The innermost access whose block runs here, or None."""


class Recorder(Protocol):
    """Records the event of an access."""

    def __call__(self, fields: Mapping[str, Any], /) -> str | None:
        """Record an event with these fields; its id, or None if it was not taken."""


class Access:
    """One access: a context manager, and a decorator for functions and coroutine functions.

    The event is recorded when the block ends, with the categories that were added by then and the
    time at which it began. It is recorded as well if the block raises, since the data may have been
    read by then: `cancel` says that it was not. Without a single category nothing was accessed, and
    nothing is recorded.
    """

    def __init__(self, record: Recorder, fields: Mapping[str, Any]) -> None:
        self._record = record
        self._fields = dict(fields)
        self._categories: list[str] = []
        self._cancelled = False
        self._token: Token[Access | None] | None = None
        self.event_id: str | None = None
        """The id of the event, once it is recorded."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """What is stated so far, without the categories that were added."""
        return self._fields

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories so far, each once."""
        stated = _listed(self._fields.get("categories"))
        return tuple(dict.fromkeys((*stated, *self._categories)))

    def add(self, *categories: str) -> None:
        """Add categories that were accessed; each counts once."""
        self._categories += categories

    def set(self, **fields: Unpack[Fields]) -> None:
        """Set fields that are known only within the block. `categories` replaces those so far."""
        if "categories" in fields:
            self._categories.clear()
        self._fields.update(fields)

    def cancel(self) -> None:
        """Say that the access did not happen: nothing is recorded."""
        self._cancelled = True

    def __enter__(self) -> Self:
        """Make this the current access, and note the time."""
        self._fields.setdefault("time", datetime.now(UTC))
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record the event."""
        if self._token is not None:
            # a generator may be finished in another context than it was started in
            with suppress(ValueError):
                _CURRENT.reset(self._token)
        if self._cancelled:
            return
        categories = [*_listed(self._fields.get("categories")), *self._categories]
        if categories:
            self._fields["categories"] = categories
            self.event_id = self._record(self._fields)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function or a coroutine function: each call is an access.

        A field that is a function is called with the arguments of the call; if it raises, the
        field counts as left out. A generator runs in
        many contexts, so it can't be decorated: use `with` inside it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = "a generator can't be decorated with `access`: use `with access(...)` in it"
            raise TypeError(message)
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._of_call(args, kwargs):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", asynchronous)

        @wraps(function)
        def synchronous(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._of_call(args, kwargs):
                return function(*args, **kwargs)

        return synchronous

    def _of_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Access":
        fields = dict(self._fields)
        for name, value in self._fields.items():
            if callable(value):
                try:
                    fields[name] = value(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - auditing must not break what it audits
                    fields[name] = None
                    _log.warning("field %s not known: %s", name, type(error).__name__)
        return Access(self._record, fields)


def _listed(categories: Any) -> Iterable[Any]:
    """What was given, one by one; its form is checked when the event is recorded."""
    if categories is None:
        return ()
    if isinstance(categories, str) or not isinstance(categories, Iterable):
        return (categories,)
    return categories
