"""What requests to other hosts carry, stated by the code that makes them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Unpack

from purposewatch_client.fields import Fields

__all__ = ["current_sending", "sending"]


@dataclass(frozen=True, slots=True)
class Sending:
    """What the requests of a block carry."""

    models: tuple[type, ...]
    categories: tuple[str, ...]
    fields: Mapping[str, Any]
    """Those of the event that the block states."""


_SENDING: ContextVar[Sending | None] = ContextVar("purposewatch_sending", default=None)

current_sending = _SENDING.get
"""What the innermost block states, or None."""


@contextmanager
def sending(*models: object, **fields: Unpack[Fields]) -> Iterator[None]:
    """Say what the requests within the block send: tagged models, or categories.

    Of a model (a class or an instance) count the fields that the request holds, in a JSON or form
    body at any depth, or in the query. All its fields count if the body is something else, or holds
    none of their names. `fields` are those of `record`, such as `subject`, `purpose` and
    `categories`; the others come from the context. Integrations record the event.
    """
    classes = tuple(each if isinstance(each, type) else type(each) for each in models)
    categories: Iterable[str] = fields.pop("categories", None) or ()
    token = _SENDING.set(Sending(classes, tuple(categories), fields))
    try:
        yield
    finally:
        _SENDING.reset(token)
