"""Carries the defaults of the caller into Celery's tasks."""

from contextlib import AbstractContextManager
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

import purposewatch_client as purposewatch
from purposewatch_client.integrations.propagation import HEADER, decode, encode

_open: dict[str, AbstractContextManager[Any]] = {}
"""The defaults of the tasks that run in this process, by task id."""


def propagate() -> None:
    """Carry the defaults with every task, in publishers and workers. Call it once in each."""
    before_task_publish.connect(_add_header, dispatch_uid="purposewatch")
    task_prerun.connect(_enter, dispatch_uid="purposewatch")
    task_postrun.connect(_leave, dispatch_uid="purposewatch")


def _add_header(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[HEADER] = encode()


def _enter(task_id: str, task: Any, **_: Any) -> None:
    carried = getattr(task.request, HEADER, None) or (task.request.headers or {}).get(HEADER)
    scope = purposewatch.defaults(**decode(carried))
    scope.__enter__()
    _open[task_id] = scope


def _leave(task_id: str, **_: Any) -> None:
    scope = _open.pop(task_id, None)
    if scope is not None:
        scope.__exit__(None, None, None)
