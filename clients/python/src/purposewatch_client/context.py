"""Defaults of the fields, for the code that runs within a block."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Unpack

from purposewatch_client.fields import Fields

__all__ = ["current_defaults", "defaults"]

_DEFAULTS: ContextVar[Mapping[str, Any]] = ContextVar(
    "purposewatch_defaults", default=MappingProxyType({})
)


@contextmanager
def defaults(**fields: Unpack[Fields]) -> Iterator[None]:
    """Fields for every event that is recorded within the block, unless the call names them.

    Blocks nest: the inner one wins, field by field. The defaults belong to the thread or the
    asynchronous task, and tasks that are created within the block inherit them.
    """
    token = _DEFAULTS.set({**_DEFAULTS.get(), **fields})
    try:
        yield
    finally:
        # A generator may be finished in another context than it was started in: that context's
        # defaults were never changed.
        with suppress(ValueError):
            _DEFAULTS.reset(token)


current_defaults = _DEFAULTS.get
"""The defaults that are in force here."""
