"""Run events of OpenLineage become observations."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b

from purposewatch_connect.documents import Document, objects_of, text_of, time_of
from purposewatch_connect.mapping import (
    Action,
    Derivation,
    Gap,
    GapKind,
    Observation,
    Terms,
    make_gap,
)
from purposewatch_connect.openlineage.columns import Columns, read_columns, written_columns
from purposewatch_connect.openlineage.datasets import key_of, label_of, names_of

_USING = frozenset({"START", "RUNNING", "COMPLETE", "FAIL", "ABORT", ""})
"""States of a run in which its datasets are used, or may have been. Events are accumulative: what
the first says, the last need not repeat."""
_OUTPUTS_LATER = frozenset({"HIVE"})
"""Integrations that name outputs at the start, but only at the end how their columns are made."""
_ERASING = frozenset({"DROP", "TRUNCATE"})
"""Changes of the state of a dataset that leave nothing in it."""
_PURPOSE_TAG = "purposewatch.purpose"


class EventReader:
    """Reads events."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Take the clock for gaps of events without a time."""
        self._clock = clock

    def read(self, event: Document) -> tuple[tuple[Observation, ...], tuple[Gap, ...]]:
        """Return what an event says about accesses; nothing if it is about something else.

        Identities derive from the run, the dataset and its columns: what several events of a run
        say alike is one access.
        """
        if "run" not in event or text_of(event, "eventType") not in _USING:
            return (), ()
        run, time = text_of(event, "run", "runId"), time_of(text_of(event, "eventTime"))
        job = (text_of(event, "job", "namespace"), text_of(event, "job", "name"))
        if not run or time is None or not job[1]:
            return (), (self._unreadable(event, run, time, job),)
        return tuple(_observations(event, run, time, job)), ()

    def _unreadable(
        self, event: Document, run: str, time: datetime | None, job: tuple[str, str]
    ) -> Gap:
        identity = f"openlineage/{run}/{text_of(event, 'eventTime')}/{'/'.join(job)}"
        name = "/".join(filter(None, job)) or "openlineage"
        return make_gap(
            GapKind.UNREADABLE_RECORD, name, identity=identity, time=time or self._clock()
        )


def _observations(
    event: Document, run: str, time: datetime, job: tuple[str, str]
) -> Iterator[Observation]:
    namespace, name = job
    full = f"{namespace}/{name}"
    tags = _tags(event)
    for action, dataset, columns, derivations in _uses(event):
        names = names_of(dataset)
        yield Observation(
            identity=f"openlineage/{run}/{action}/{_digest(key_of(dataset), columns)}",
            time=time,
            action=action,
            services=(full, name, namespace, full),
            dataset=names[0],
            aliases=names[1:],
            columns=columns,
            derivations=derivations,
            attributes={
                "openlineage.job.namespace": namespace,
                "openlineage.job.name": name,
                "openlineage.dataset.namespace": text_of(dataset, "namespace"),
                **{f"openlineage.tag.{key}": value for key, value in tags.items()},
            },
            terms=Terms(purpose=tags.get(_PURPOSE_TAG)),
            label=label_of(dataset),
        )


def _uses(
    event: Document,
) -> Iterator[tuple[Action, Document, Columns, Mapping[str, Derivation]]]:
    """Yield what was done with each dataset, with which columns, and how those were made."""
    outputs = objects_of(event, "outputs")
    for dataset in objects_of(event, "inputs"):
        yield Action.READ, dataset, read_columns(dataset, outputs), {}
    integration = text_of(event, "job", "facets", "jobType", "integration")
    if text_of(event, "eventType") == "START" and integration in _OUTPUTS_LATER:
        return
    for dataset in outputs:
        change = text_of(dataset, "facets", "lifecycleStateChange", "lifecycleStateChange")
        if change in _ERASING:
            yield Action.DELETE, dataset, None, {}
        else:
            yield Action.WRITE, dataset, *written_columns(dataset)


def _tags(event: Document) -> dict[str, str]:
    """Return the tags of the job, and of the run, which come before them."""
    tags = {}
    for where in ("job", "run"):
        for tag in objects_of(event, where, "facets", "tags", "tags"):
            tags[text_of(tag, "key")] = text_of(tag, "value")
    return tags


def _digest(key: tuple[str, str], columns: Columns) -> str:
    parts = (*key, "*" if columns is None else "\0".join(sorted(columns)))
    return blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()
