"""Defaults of the fields, for the code that runs within a block or a function."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from types import MappingProxyType, TracebackType
from typing import Any, ParamSpec, TypeVar, Unpack, cast

from purposewatch_client.fields import Fields

__all__ = ["Defaults", "current_defaults", "defaults"]

P = ParamSpec("P")
R = TypeVar("R")

_DEFAULTS: ContextVar[Mapping[str, Any]] = ContextVar(
    "purposewatch_defaults", default=MappingProxyType({})
)


def defaults(**fields: Unpack[Fields]) -> "Defaults":
    """Fields for every event that is recorded within the block, unless the call names them.

    Blocks nest: the inner one wins, field by field. The defaults belong to the thread or the
    asynchronous task, and tasks that are created within the block inherit them. As a decorator, it
    sets them for each call of a function or a coroutine function.
    """
    return Defaults(fields)


class Defaults:
    """What `defaults` returns: a context manager to be entered once, and a decorator."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._token: Token[Mapping[str, Any]] | None = None

    def __enter__(self) -> None:
        """Set the defaults."""
        self._token = _DEFAULTS.set({**_DEFAULTS.get(), **self._fields})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the ones before."""
        if self._token is not None:
            # A generator may be finished in another context than it was started in: that context's
            # defaults were never changed.
            with suppress(ValueError):
                _DEFAULTS.reset(self._token)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function or a coroutine function.

        A generator runs in many contexts, so it can't be decorated: use `with` inside it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = "a generator can't be decorated with `defaults`: use `with` inside it"
            raise TypeError(message)
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Defaults(self._fields):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", asynchronous)

        @wraps(function)
        def synchronous(*args: P.args, **kwargs: P.kwargs) -> R:
            with Defaults(self._fields):
                return function(*args, **kwargs)

        return synchronous


current_defaults = _DEFAULTS.get
"""The defaults that are in force here."""
